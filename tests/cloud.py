"""Inputs, outputs and models in an object store: the program against moto, a local stand-in for S3.

Usage: cloud.py VAEPIPE REPOSITORY WORK_DIR

Between the two stands a door that counts requests and can refuse some of them. A plain web server is asked, too."""

import functools
import http.server
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

vaepipe, repository, work = sys.argv[1], Path(sys.argv[2]).resolve(), Path(tempfile.mkdtemp(dir=sys.argv[3]))
os.chdir(work)
FLIGHTS = repository / "sample_data/flights.parquet"


class Door:
    """Hands requests on, unless `refuses` says of one that it may not pass."""

    def __init__(self):
        self.inside = DomainDispatcherApplication(create_backend_app)
        self.seen, self.refuses = [], lambda method, path, query: False

    def __call__(self, environ, start):
        asked = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]
        self.seen.append((*asked, environ.get("HTTP_RANGE")))
        if self.refuses(*asked):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            # Some servers repeat what they were sent.
            said = f"<Error><Code>Denied</Code><Token>{environ.get('HTTP_X_AMZ_SECURITY_TOKEN')}</Token></Error>".encode()
            start("403 Forbidden", [("Content-Length", str(len(said)))])
            return [said if asked[0] != "HEAD" else b""]
        return self.inside(environ, start)


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


door = Door()
server = make_server("127.0.0.1", 0, door, threaded=True, request_handler=Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()
endpoint = f"http://127.0.0.1:{server.server_port}"
SECRETS = {"AWS_SECRET_ACCESS_KEY": "hush-key", "AWS_SESSION_TOKEN": "hush-token"}
keys = SECRETS | {"AWS_ACCESS_KEY_ID": "testing", "AWS_REGION": "us-east-1"}
environment = os.environ | keys | {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "TMPDIR": str(work / "tmp")}
(work / "tmp").mkdir()
s3 = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id="testing", aws_secret_access_key="testing",
                  region_name="us-east-1")
s3.create_bucket(Bucket="lake")


def run(*words, code=0, says=(), env=environment):
    ran = subprocess.run([vaepipe, *map(str, words)], env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == code, (words, ran)
    assert not any(secret in ran.stdout + ran.stderr for secret in SECRETS.values()), (words, ran)
    for word in says:
        assert word in ran.stderr, (words, word, ran.stderr)
    assert not os.listdir(work / "tmp"), "something is left in the folder of temporary files"
    return ran


def there(prefix=""):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix=prefix)
    return sorted(found["Key"] for page in pages for found in page.get("Contents", []))


def read(key):
    return pq.read_table(pa.BufferReader(s3.get_object(Bucket="lake", Key=key)["Body"].read()))


# A lake here, and the same there.
rows = pq.read_table(FLIGHTS)
rows = rows.add_column(0, "row", pa.array(range(rows.num_rows)))
pq.write_to_dataset(rows, "here", partition_cols=["origin", "month"], existing_data_behavior="overwrite_or_ignore",
                    basename_template="part-{i}.parquet")
files = sorted(path.relative_to("here") for path in Path("here").rglob("*.parquet"))
for path in files:
    s3.upload_file(f"here/{path}", "lake", f"in/{path}")
s3.put_object(Bucket="lake", Key="in/_SUCCESS", Body=b"")
s3.put_object(Bucket="lake", Key="in/_temporary/half.parquet", Body=b"PAR1")
s3.upload_file(FLIGHTS, "lake", "flights.parquet")

# A model of it is the one that a fit of the files makes, to the byte; there and back.
flags = ["--epochs", 1, "--seed", 3, "--exclude", "row,tailnum", "--quiet"]
run("fit", "here", "-m", "here.safetensors", *flags)
run("fit", "s3://lake/in/", "-m", "s3://lake/vae.safetensors", *flags)
model = s3.get_object(Bucket="lake", Key="vae.safetensors")["Body"].read()
assert model == Path("here.safetensors").read_bytes()
run("fit", "here", "-m", "s3://lake/vae.safetensors", *flags, code=2, says=["already exists", "--force"])

# Prefixes, globs, Hive layouts, one object: as files.
run("transform", "here", "scored/", "-m", "here.safetensors", "--quiet")
run("transform", "s3://lake/in/", "s3://lake/scored/", "-m", "s3://lake/vae.safetensors", "--quiet")
assert there("scored/") == [f"scored/{path}" for path in files]
for path in files:
    assert s3.get_object(Bucket="lake", Key=f"scored/{path}")["Body"].read() == Path(f"scored/{path}").read_bytes(), path
run("transform", "here", "one.parquet", "-m", "here.safetensors", "--quiet")
for name in ["s3://lake/in", "s3://lake/in/origin=*/**/*.parquet", "s3://lake/in/origin=*"]:
    run("transform", name, "again.parquet", "-m", "here.safetensors", "--quiet", "--force")
    assert Path("again.parquet").read_bytes() == Path("one.parquet").read_bytes(), name
run("transform", "s3://lake/in/origin=JFK/month=1/part-0.parquet", "jfk.arrow", "-m", "here.safetensors", "--quiet")
assert set(pa.ipc.open_file("jfk.arrow").read_all()["origin"].to_pylist()) == {"JFK"}

# What is there is not replaced, or left out, or replaced.
run("transform", "here", "s3://lake/scored/", "-m", "here.safetensors", code=2, says=["already exists"])
before = len(there())
ran = run("transform", "here", "s3://lake/scored/", "-m", "here.safetensors", "--skip-existing", "--summary", "json")
assert f'"skipped":{len(files)}' in ran.stdout and len(there()) == before, ran.stdout
s3.put_object(Bucket="lake", Key="out.parquet", Body=b"old")
run("transform", "here", "s3://lake/out.parquet", "-m", "here.safetensors", code=2, says=["already exists"])
run("transform", "here", "s3://lake/out.parquet", "-m", "here.safetensors", "--skip-existing", "--quiet")
assert s3.get_object(Bucket="lake", Key="out.parquet")["Body"].read() == b"old"
run("transform", "here", "s3://lake/out.parquet", "-m", "here.safetensors", "--force", "--quiet")
assert read("out.parquet").equals(pq.read_table("one.parquet"))
run("transform", "s3://lake/in/", "s3://lake/in/x/", "-m", "here.safetensors", code=2, says=["is in the input directory s3://lake/in"])
run("transform", "s3://lake/flights.parquet", "s3://lake/flights.parquet", "-m", "here.safetensors", "--force", code=2)

# Of a large object only what is needed is read, in large pieces; and it is copied by splicing as a file is.
wide = pa.table({name: pa.array([x + n for x in range(20_000)], pa.float64()) for n, name in
                 enumerate(["a", "b", *(f"carried{n}" for n in range(98))])})
pq.write_table(wide, "wide.parquet", compression="none", use_dictionary=False)
size = os.path.getsize("wide.parquet")
assert size > 15_000_000
s3.upload_file("wide.parquet", "lake", "wide.parquet")
door.seen.clear()
run("fit", "s3://lake/wide.parquet", "-m", "wide.safetensors", "--columns", "a,b", "--epochs", 1, "--quiet")
ranges = [asked[3] for asked in door.seen if asked[0] == "GET" and asked[1] == "/lake/wide.parquet"]
read_bytes = sum(int(end) - int(start) + 1 for start, end in (it.removeprefix("bytes=").split("-") for it in ranges))
assert read_bytes < size and len(ranges) <= 3, (read_bytes, size, ranges)
run("transform", "wide.parquet", "wide-scored.parquet", "-m", "wide.safetensors", "--quiet")
door.seen.clear()
run("transform", "s3://lake/wide.parquet", "s3://lake/wide-scored.parquet", "-m", "wide.safetensors", "--quiet")
parts = [asked for asked in door.seen if asked[0] == "PUT" and "partNumber" in asked[2]]
assert len(parts) == os.path.getsize("wide-scored.parquet") // (8 << 20) + 1 and len(parts) > 1, parts
assert s3.get_object(Bucket="lake", Key="wide-scored.parquet")["Body"].read() == Path("wide-scored.parquet").read_bytes()

# An upload that fails in its last part leaves nothing: no object, and no parts of one. Nor does a failing input.
door.refuses = lambda method, path, query: method == "PUT" and "partNumber=2" in query
run("transform", "s3://lake/wide.parquet", "s3://lake/none.parquet", "-m", "wide.safetensors", code=1, says=["s3://lake/none.parquet"])
assert any(asked[0] == "DELETE" and "uploadId" in asked[2] for asked in door.seen)
door.refuses = lambda method, path, query: method == "POST" and "uploadId" in query
run("transform", "s3://lake/wide.parquet", "s3://lake/none.parquet", "-m", "wide.safetensors", code=1)
door.refuses = lambda method, path, query: method == "PUT"
run("transform", "here", "s3://lake/none.parquet", "-m", "here.safetensors", "--verbose", code=1, says=["403", ": Denied"])
door.refuses = lambda *_: False
torn = Path("wide.parquet").read_bytes()
s3.put_object(Bucket="lake", Key="torn.parquet", Body=torn[:1000] + b"\xff" * 200_000 + torn[201_000:])
run("transform", "s3://lake/torn.parquet", "s3://lake/none.parquet", "-m", "wide.safetensors", code=65, says=["s3://lake/torn.parquet"])
assert "none.parquet" not in there() and not s3.list_multipart_uploads(Bucket="lake").get("Uploads")
assert "wide.parquet" in there()

# What is not there, and what one may not.
run("transform", "s3://lake/no.parquet", "x.parquet", "-m", "here.safetensors", code=1, says=["s3://lake/no.parquet"])
run("transform", "s3://lake/no/", "x.parquet", "-m", "here.safetensors", code=1, says=["s3://lake/no/"])
run("transform", "s3://nowhere/no.parquet", "x.parquet", "-m", "here.safetensors", code=1)
run("transform", "here", "x.parquet", "-m", "s3://lake/no.safetensors", code=1, says=["no such model"])
door.refuses = lambda method, path, query: path.startswith("/lake/in/")
run("transform", "s3://lake/in/origin=JFK/month=1/part-0.parquet", "x.parquet", "-m", "here.safetensors", code=1, says=["403"])
door.refuses = lambda *_: False

# A web server: read, not written.
class Files(http.server.SimpleHTTPRequestHandler):
    """Answers a range of one file, which Python's own does not."""

    def do_GET(self):
        data = Path(self.translate_path(self.path)).read_bytes()
        start, end = self.headers["Range"].removeprefix("bytes=").split("-")
        part = data[int(start):int(end) + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
        self.send_header("Last-Modified", self.date_time_string(0))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_):
        pass


web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(work)))
threading.Thread(target=web.serve_forever, daemon=True).start()
at = f"http://127.0.0.1:{web.server_port}"
run("transform", f"{at}/wide.parquet", "by-web.parquet", "-m", f"{at}/wide.safetensors", "--quiet")
assert Path("by-web.parquet").read_bytes() == Path("wide-scored.parquet").read_bytes()
run("transform", "wide.parquet", f"{at}/x.parquet", "-m", "wide.safetensors", code=2, says=["web server"])
print("objects are as good as files")
