#!/usr/bin/env python3
"""Opens pages that `report` wrote in Chromium, headless, in light and dark, on wide and narrow screens: no error in its console,
no request, every figure there, seen and named, nothing wider than the screen, contents that lead somewhere, tables that can be
sorted and searched, and all of its text without the script.

    report.py CHROMIUM CHROMEDRIVER FOLDER PAGE.html...

Leaves a screenshot of each in FOLDER. Needs: pip install selenium
"""
import json, sys, tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

chromium, driver, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --hide-scrollbars --disable-dev-shm-usage""".split()

LOOK = """
const seen = it => { const box = it.getBoundingClientRect(); return box.width > 100 && box.height > 20; };
const figures = [...document.querySelectorAll('figure')].map(figure => {
  const svg = figure.querySelector('svg[role=img]');
  const said = id => (document.getElementById(id) || {}).textContent || '';
  const text = svg.querySelector('text');
  return {
    caption: figure.querySelector('figcaption').textContent,
    named: svg.getAttribute('aria-labelledby').split(' ').map(said),
    seen: seen(svg), marks: svg.querySelectorAll('circle,rect,polyline,path,image').length,
    text: text ? getComputedStyle(text).fill : null,
  };
});
const ids = [...document.querySelectorAll('[id]')].map(it => it.id);
return {
  title: document.title, figures, twice: ids.filter((id, n) => ids.indexOf(id) !== n),
  dead: [...document.querySelectorAll('nav a')].filter(a => !document.getElementById(a.hash.slice(1))).length,
  links: document.querySelectorAll('nav a').length, text: document.querySelector('main').innerText.length,
  images: [...document.querySelectorAll('image')].length, scripts: document.scripts.length,
  wide: document.documentElement.scrollWidth, screen: document.documentElement.clientWidth,
  ground: getComputedStyle(document.body).backgroundColor, ink: getComputedStyle(document.body).color,
};
"""


def luminance(color):
    """Relative luminance of an rgb() colour (WCAG 2.2)."""
    parts = [float(part) / 255 for part in color[color.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    a, b = sorted([luminance(a), luminance(b)])
    return (b + 0.05) / (a + 0.05)


def browser(profile):
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in FLAGS + [f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


USE = """
const table = [...document.querySelectorAll('.scroll table')].find(table => table.tBodies[0].rows.length >= 12 && !table.closest('details'));
if (!table) return null;
const column = [...table.tHead.rows[0].cells].findIndex(head => head.classList.contains('n'));
const number = row => Number(row.cells[column].textContent.replace(/[, %]/g, ''));
const button = table.tHead.rows[0].cells[column].querySelector('button');
button.click();
const down = [...table.tBodies[0].rows].map(number);
button.click();
const up = [...table.tBodies[0].rows].map(number);
const find = table.parentElement.previousElementSibling;
find.value = [...table.tBodies[0].rows[3].cells].map(cell => cell.textContent).join('').slice(0, 24);
find.dispatchEvent(new Event('input'));
const found = [...table.tBodies[0].rows].filter(row => !row.hidden).length;
const mark = document.querySelector('svg rect:has(> title)');
mark.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, clientX: 5, clientY: 5 }));
const tip = document.querySelector('.tip');
return { down, up, rows: down.length, found, tip: tip.hidden ? '' : tip.textContent };
"""


def use(page, chrome):
    """Sorts a table, searches it, and points at a bar."""
    seen = chrome.execute_script(USE)
    if seen:
        assert seen["down"] == sorted(seen["down"], reverse=True) and seen["up"] == sorted(seen["up"]), (page.name, seen)
        assert 1 <= seen["found"] < seen["rows"] and seen["tip"], (page.name, seen)


def check(page, chrome):
    for scheme in ["light", "dark"]:
        for width in [1920, 1280, 390]:
            chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
            chrome.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            )
            chrome.get_log("performance")
            chrome.get(page.resolve().as_uri())
            look = chrome.execute_script(LOOK)
            where = f"{page.name}, {scheme}, {width}"
            console = chrome.get_log("browser")
            assert not console, (where, console)
            events = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
            asked = [it["params"]["request"]["url"] for it in events if it["method"] == "Network.requestWillBeSent"]
            asked = [url for url in asked if not url.startswith("data:")]
            assert asked == [page.resolve().as_uri()], (where, asked)
            assert look["scripts"] == 1 and not look["twice"], (where, look["twice"])
            assert look["links"] > 2 and look["dead"] == 0, (where, look["links"], look["dead"])
            assert look["wide"] <= look["screen"] <= width, (where, look["wide"])
            assert (luminance(look["ground"]) > 0.8) == (scheme == "light"), (where, look["ground"])
            assert contrast(look["ground"], look["ink"]) > 7, where
            captions = {figure["caption"] for figure in look["figures"]}
            assert {"Scores", "Latent space"} <= captions, (where, captions)
            for figure in look["figures"]:
                assert figure["seen"] and figure["marks"] > 3, (where, figure)
                assert all(figure["named"]) and len(figure["named"]) == 2, (where, figure)
                assert figure["text"] is None or contrast(look["ground"], figure["text"]) > 4.5, (where, figure)
            height = chrome.execute_script("return document.documentElement.scrollHeight")
            size = {"width": width, "height": min(height, 12000), "deviceScaleFactor": 1, "mobile": False}
            chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            chrome.save_screenshot(str(folder / f"{page.stem}-{scheme}-{width}.png"))
            use(page, chrome)
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    chrome.get(page.resolve().as_uri())
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    plain = chrome.execute_script(LOOK)
    assert plain["figures"] == look["figures"] and plain["text"] >= 0.95 * look["text"], (page.name, plain["text"])
    return look


with tempfile.TemporaryDirectory() as profile:
    chrome = browser(profile)
    try:
        for page in map(Path, sys.argv[4:]):
            look = check(page, chrome)
            print(f"{page.name}: {len(look['figures'])} figures, {look['images']} images, seen in light and dark at three widths, and without the script")
    finally:
        chrome.quit()
