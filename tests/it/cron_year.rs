//! examples/vaepipe.crontab, run over a simulated year: a day's rows each night, a fit on Sundays.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, TimestampSecondArray};

use crate::tables::{Uniform, read, write};
use crate::workdir::{Ran, Workdir, repository};

/// 1 January 2025, a Wednesday, in days since 1970.
const FIRST_DAY: u64 = 20_089;

/// Days of the year, and those that the first model is fitted to.
const DAYS: u64 = 365;
const FITTED: u64 = 31;

const HOURS: usize = 24;
const ROWS_AN_HOUR: usize = 16;

/// A day whose file arrives in part, and is whole the day after.
const BROKEN: u64 = 133;

/// A day of three times the load.
const SHIFTED: u64 = 363;

/// The value of the standard normal distribution.
fn normal(uniform: &mut Uniform) -> f64 {
    let radius = (-2.0 * (1.0 - uniform.next().abs()).ln()).sqrt();
    radius * (std::f64::consts::PI * uniform.next()).cos()
}

/// The rows of a day: the load of three sites, of levels of their own, with the hour; and what is paid for it. In one row
/// of every fourth day the amount is a fifth of what is due, or three times as much.
fn rows(day: u64) -> (RecordBatch, Option<usize>) {
    const SITES: [(&str, f64); 3] = [("north", 40.0), ("south", 100.0), ("west", 250.0)];
    let mut uniform = Uniform::new(1000 + day);
    let mut at = |count: usize| ((uniform.next().abs() * count as f64) as usize).min(count - 1);
    let planted = day.is_multiple_of(4).then(|| at(HOURS * ROWS_AN_HOUR));
    let sites: Vec<usize> = (0..HOURS * ROWS_AN_HOUR).map(|_| at(SITES.len())).collect();
    let (mut loads, mut amounts) = (Vec::new(), Vec::new());
    for (row, &site) in sites.iter().enumerate() {
        let (hour, level) = ((row / ROWS_AN_HOUR) as f64, SITES[site].1);
        let profile = 1.0 + 0.6 * ((hour - 9.0) / 12.0 * std::f64::consts::PI).sin();
        let shift = if day == SHIFTED { 3.0 } else { 1.0 };
        let load = shift * level * profile * (0.08 * normal(&mut uniform)).exp();
        let due = 5.0 + 0.5 * load + 0.04 * level * normal(&mut uniform);
        let wrong = if uniform.next() > 0.0 { 3.0 } else { 0.2 };
        loads.push(load);
        amounts.push(if planted == Some(row) { wrong * due } else { due });
    }
    let seconds = (0..sites.len()).map(|row| ((FIRST_DAY + day) * 86_400) as i64 + (row * 3600 / ROWS_AN_HOUR) as i64);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("t", Arc::new(TimestampSecondArray::from_iter_values(seconds))),
        ("site", Arc::new(StringArray::from_iter_values(sites.iter().map(|&site| SITES[site].0)))),
        ("load", Arc::new(Float64Array::from(loads))),
        ("amount", Arc::new(Float64Array::from(amounts))),
    ];
    (RecordBatch::try_from_iter(columns).unwrap(), planted)
}

/// Year, month and day of the month.
fn date(day: u64) -> (usize, String) {
    const MONTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (mut month, mut rest) = (0, day);
    while rest >= MONTHS[month % 12] {
        rest -= MONTHS[month % 12];
        month += 1;
    }
    (month + 1, format!("{}-{:02}-{:02}", 2025 + month / 12, month % 12 + 1, rest + 1))
}

fn instant(day: u64, hour: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs((FIRST_DAY + day) * 86_400 + hour * 3600)
}

fn set_time(path: &PathBuf, time: SystemTime) {
    File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

/// What cron was told, and the machine it runs on.
struct Machine {
    dir: Workdir,
    fit: String,
    nightly: String,
    weekly: String,
    /// The outputs, with time and bytes.
    outputs: HashMap<u64, (SystemTime, Vec<u8>)>,
}

impl Machine {
    fn new() -> Self {
        let dir = Workdir::new();
        let crontab = fs::read_to_string(repository("examples/vaepipe.crontab")).unwrap();
        let fit = crontab.lines().find_map(|line| line.strip_prefix("#   ")).unwrap().to_owned();
        // Five fields of time, then the command, in which a % has to be escaped.
        let jobs: Vec<(String, String)> = crontab
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
            .map(|line| {
                let fields: Vec<&str> = line.splitn(6, ' ').collect();
                assert!(!fields[5].replace("\\%", "").contains('%'), "{line}");
                (fields[..5].join(" "), fields[5].replace("\\%", "%"))
            })
            .collect();
        let [(nights, nightly), (sundays, weekly)] = jobs.try_into().unwrap();
        assert_eq!((nights.as_str(), sundays.as_str()), ("15 2 * * *", "30 4 * * 0"));
        // `date`, on the day that is simulated.
        let bin = dir.path("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("date"), "#!/bin/sh\n[ \"$1\" = -d ] && exec /bin/date -d \"$TODAY $2\" \"$3\"\n").unwrap();
        fs::set_permissions(bin.join("date"), fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir, fit, nightly, weekly, outputs: HashMap::new() }
    }

    /// Runs a command as cron does, early in the morning of a day.
    fn run(&self, command: &str, day: u64) -> Ran {
        let root = self.dir.path("").display().to_string();
        let here = command
            .replace("/usr/local/bin/vaepipe", env!("CARGO_BIN_EXE_vaepipe"))
            .replace("/var/lib/node_exporter/", &root)
            .replace("/srv/vaepipe/", &root)
            .replace("/var/log/", &root);
        let output = Command::new("/bin/sh")
            .args(["-c", &here])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.dir.path("bin").display()))
            .env("TODAY", date(day).1)
            .current_dir(self.dir.path(""))
            .output()
            .unwrap();
        Ran::of(&here, output)
    }

    fn file(&self, folder: &str, day: u64) -> PathBuf {
        self.dir.path(&format!("{folder}/date={}/rows.parquet", date(day).1))
    }

    /// The file of a day arrives at midnight of the day after, or later.
    fn receive(&self, day: u64, today: u64) {
        let path = self.file("lake", day);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write(&path, &rows(day).0, 1000);
        set_time(&path, instant(today, 0));
    }

    /// The days whose outputs are new since the last call, which then have the time of the night.
    fn written(&mut self, today: u64) -> Vec<u64> {
        let mut written = Vec::new();
        for day in 0..DAYS {
            let path = self.file("scored", day);
            let Ok(time) = fs::metadata(&path).and_then(|about| about.modified()) else { continue };
            if self.outputs.get(&day).is_none_or(|(known, _)| *known != time) {
                set_time(&path, instant(today, 2));
                self.outputs.insert(day, (instant(today, 2), fs::read(&path).unwrap()));
                written.push(day);
            }
        }
        written
    }
}

/// A run that went well says nothing.
#[track_caller]
fn silent(ran: Ran) {
    let ran = ran.exits(0);
    assert_eq!((ran.stdout(), ran.stderr()), ("", ""));
}

#[test]
fn a_year_of_the_crontab() {
    let mut machine = Machine::new();
    (0..FITTED).for_each(|day| machine.receive(day, day + 1));
    machine.run(&machine.fit, FITTED).exits(0);
    let model = machine.dir.path("model.safetensors");
    // Ordinary rows, those of them that are anomalies, planted rows, and those found, by month.
    let mut months = BTreeMap::<usize, [usize; 4]>::new();
    let (mut fits, mut refused) = (0, 0);
    for today in FITTED + 1..=DAYS {
        let day = today - 1;
        machine.receive(day, today);
        if day == BROKEN {
            let file = File::options().write(true).open(machine.file("lake", day)).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        } else if day == BROKEN + 1 {
            machine.receive(BROKEN, today);
        }
        let ran = machine.run(&machine.nightly, today);
        let expected = match day {
            FITTED => (0..=FITTED).collect(),
            BROKEN => vec![],
            day if day == BROKEN + 1 => vec![BROKEN, day],
            day => vec![day],
        };
        match day {
            BROKEN => {
                let ran = ran.exits(65);
                ran.says(&["error: ", &date(day).1, "hint: "]);
                assert_eq!((ran.stdout(), ran.stderr().lines().count()), ("", 2));
            }
            SHIFTED => {
                let ran = ran.exits(3);
                ran.says(&["error: ", "load", "hint: the output is complete"]);
                assert_eq!((ran.stdout(), ran.stderr().lines().count()), ("", 2));
            }
            _ => silent(ran),
        }
        assert_eq!(machine.written(today), expected, "{}", date(day).1);
        for day in expected.into_iter().filter(|&day| day >= FITTED && day != SHIFTED) {
            let (scored, planted) = (read(&machine.file("scored", day)), rows(day).1);
            let anomalies = scored.column_by_name("is_anomaly").unwrap().as_boolean().clone();
            let counts = months.entry(date(day).0).or_default();
            for row in 0..scored.num_rows() {
                let (of, found) = (2 * usize::from(planted == Some(row)), usize::from(anomalies.value(row)));
                counts[of] += 1;
                counts[of + 1] += found;
            }
        }
        // 2 February, on which the second night of the year falls, is a Sunday.
        if (today - FITTED - 1).is_multiple_of(7) {
            let before = fs::read(&model).unwrap();
            let ran = machine.run(&machine.weekly, today);
            fits += 1;
            if ran.output.status.code() == Some(3) {
                ran.says(&["error: ", "made it worse"]);
                assert!(ran.stdout().is_empty() && fs::read(&model).unwrap() == before);
                refused += 1;
            } else {
                silent(ran);
                assert!(fs::read(&model).unwrap() != before);
            }
            // By now it is younger than every output.
            set_time(&model, instant(today, 4));
        }
    }
    assert!(fits == 48 && refused <= 5, "{refused} of {fits}");
    for (day, (_, bytes)) in &machine.outputs {
        assert!(fs::read(machine.file("scored", *day)).unwrap() == *bytes, "{}", date(*day).1);
    }
    assert_eq!((machine.outputs.len(), months.len()), (DAYS as usize, 11));
    let mut total = [0, 0];
    for (month, [ordinary, flagged, planted, found]) in &months {
        let share = *flagged as f64 / *ordinary as f64;
        assert!((0.003..0.03).contains(&share), "month {month}: {share} of all months {months:?}");
        total = [total[0] + planted, total[1] + found];
    }
    println!(
        "flagged and ordinary rows of each month: {months:?}; planted and found: {total:?}; refused fits: {refused}"
    );
    assert!(total[1] * 4 >= total[0] * 3, "{total:?} of {months:?}");
    let log = fs::read_to_string(machine.dir.path("vaepipe.log")).unwrap();
    let errors = log.lines().filter(|line| line.contains("\"ERROR\"")).count();
    assert!(log.lines().all(|line| line.starts_with("{\"run_id\":")) && errors == 2 + refused, "{errors}");
}
