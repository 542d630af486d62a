#!/usr/bin/env bash
# Checks and measures vaepipe on a GPU, within five minutes, with neither Rust nor network.
#
#   ./run.sh [FOLDER]        results go into FOLDER, by default $OUT, or ./results: results.json, table.txt, log.txt
#   DEVICE=cpu ./run.sh      a rehearsal with the CPU in the place of CUDA
#   SMALL=1 ./run.sh         few rows and points, for a rehearsal; SECONDS_ALL=290 is the limit of the whole run
#   PARTS="shares faults" ./run.sh     only these parts; all but nsys by default
#
# Every step has a limit of its own. One that fails or is out of time is a line of the table, not the end.
# The exit code is 1 if there is such a line, or one that says WRONG.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-${OUT:-$here/results}}
device=${DEVICE:-cuda} all=${SECONDS_ALL:-290} small=${SMALL:-}
parts=${PARTS:-comparisons speed shares faults pytorch}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 1
work=$(mktemp -d) table=$work/table.tsv
mkdir -p "$work/logs" "$work/jit"
: > "$table" > "$work/smi.log"
background=()
finish() {
  [ ${#background[@]} = 0 ] || kill "${background[@]}" 2> /dev/null
  rm -rf "$work"
}
trap finish EXIT
cd "$work" || exit 1
export PATH=$here:$PATH CUDA_CACHE_PATH=$work/jit CUDA_CACHE_MAXSIZE=1073741824
[ "$device" = cpu ] && export GPU_TESTS_DEVICE=cpu

# --- steps and results

# record SECTION NAME VALUE [UNIT] [NOTE]
record() {
  printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4:-}" "$(printf '%s' "${5:-}" | tr '\t\n' '  ')" >> "$table"
  printf '%3d s  %-10s %s: %s %s\n' "$SECONDS" "$1" "$2" "$3" "${4:-}" >&2
}
left() { echo $((all - SECONDS)); }
# What a log says of a failure, if it does.
reason() {
  local said
  said=$(grep -m1 '^error: ' "$1" || sed -n 's/.*"level":"ERROR","message":"\(.*\)"[,}].*/\1/p' "$1")
  [ -n "$said" ] && head -1 <<< "$said" | cut -c1-200 || last_line "$1"
}
last_line() { grep -v '^[[:space:]]*$' "$1" | tail -1 | cut -c1-200; }

# step NAME LIMIT COMMAND...: runs it with a limit in seconds; its output is $work/logs/NAME; $rc, and $took in seconds.
step() {
  local name=$1 limit=$2
  shift 2
  [ "$limit" -le "$(left)" ] || limit=$(left)
  log=$work/logs/$name
  if [ "$limit" -lt 2 ]; then
    rc=skipped took=0
    : > "$log"
    record step "$name" skipped '' 'no time left'
    return 1
  fi
  local since=$(date +%s.%N)
  timeout -k 2 "$limit" "$@" > "$log" 2>&1 < /dev/null
  rc=$?
  took=$(awk "BEGIN{printf \"%.2f\", $(date +%s.%N) - $since}")
  return $rc
}
# The same; a failure is recorded.
must() {
  step "$@" && return
  case $rc in
    124 | 137) record step "$1" 'out of time' '' "limit $2 s; $(last_line "$log")" ;;
    [0-9]*) record step "$1" "failed with $rc" '' "$(reason "$log")" ;;
  esac
  return 1
}
# fault NAME WHAT: WHAT is empty, or what is wrong.
fault() { record fault "$1" "$([ -z "$2" ] && echo ok || echo WRONG)" '' "${2:-${3:-}}"; }

# number KEY FILE: the last value of a key in lines of JSON.
number() { sed -n "s/.*\"$1\":\(-\{0,1\}[0-9.eE+-]*\).*/\1/p" "$2" | tail -1; }
compute() { awk "BEGIN{printf \"%.${2:-4}g\", $1}" 2> /dev/null; }

# --- the machine

find_libraries() {
  local folder found=
  for folder in "${CUDA_HOME:-/none}"/lib64 /usr/local/cuda*/lib64 /usr/local/cuda*/targets/*/lib \
    $(python3 -c 'import sys; print("\n".join(sys.path))' 2> /dev/null | sed 's#$#/nvidia/cu13/lib#') \
    $(python3 -c 'import glob, sys; print("\n".join(f for p in sys.path for f in glob.glob(p + "/nvidia/*/lib")))' 2> /dev/null) \
    /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/lib/wsl/lib; do
    [ -d "$folder" ] && found=$found:$folder
  done
  # What the system finds by itself comes first only where it is of CUDA 13.
  export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}$found"
  LD_LIBRARY_PATH=${LD_LIBRARY_PATH#:}
}

machine() {
  record machine started "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  record machine processor "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)" '' "$(nproc) cores"
  record machine bundle "$(cat "$here/VERSION" 2> /dev/null || echo unknown)"
  if command -v nvidia-smi > /dev/null; then
    must smi 15 nvidia-smi --query-gpu=name,compute_cap,driver_version,memory.total,memory.used,power.limit,clocks.max.sm,compute_mode \
      --format=csv,noheader && record machine gpu "$(head -1 "$log")"
  else
    record machine gpu none '' 'no nvidia-smi'
  fi
  find_libraries
  local missing
  missing=$(ldd "$here/vaepipe" 2> /dev/null | sed -n 's/^[[:space:]]*\(.*\) => not found.*/\1/p' | tr '\n' ' ')
  if [ -n "$missing" ]; then
    record machine libraries missing '' "$missing"
    return 1
  fi
  record machine libraries found '' "$(ldd "$here/vaepipe" | sed -n 's/.*\(libcuda\|libcublas\|libcurand\|libcudart\)\.so.* => \([^ ]*\).*/\2/p' | tr '\n' ' ')"
  must version 15 vaepipe --version && record machine program "$(last_line "$log")"
}

# --- memory of the device, and how much of the time kernels run, as nvidia-smi sees both

watch_device() {
  [ "$device" = cuda ] && command -v nvidia-smi > /dev/null || return
  nvidia-smi --query-gpu=memory.used,utilization.gpu --format=csv,noheader,nounits -lms 100 > smi.log 2> /dev/null &
  background+=($!)
}
mark() { wc -l < smi.log 2> /dev/null || echo 0; }
# since MARK: MiB at most, and the mean percent of the time in which a kernel ran.
since() {
  tail -n +$(($1 + 1)) smi.log 2> /dev/null |
    awk -F, '{ if ($1 > most) most = $1; sum += $2; n++ } END { if (n) printf "%d MiB at most, kernels run %d %% of the time", most, sum / n }'
}

# --- rows

columns=(784 32 256 2048)
declare -A rows=([32]=262144 [256]=131072 [784]=65536 [2048]=65536)
batches=(256 1024 4096 16384 65536)
few=16384
if [ -n "$small" ]; then
  columns=(784 32)
  rows=([32]=8192 [784]=4096)
  batches=(256 1024)
  few=2048
fi
# Tables of all rows, and of few for batches so small that an epoch of all takes too long.
make_rows() {
  local width file
  for width in "${columns[@]}"; do
    for file in "$width:${rows[$width]}" "$width-few:$few"; do
      TABLE_PATH=$work/${file%:*}.parquet TABLE_COLUMNS=$width TABLE_ROWS=${file#*:} \
        timeout 60 it --ignored --exact gpu::a_table_is_written > "logs/rows-${file%:*}" 2>&1 < /dev/null &
      tables+=($!)
    done
  done
}
table_for() { [ "$2" -le 1024 ] && echo "$1-few.parquet" || echo "$1.parquet"; }
# The median of all epochs but the first, which warms up.
epoch_speed() {
  grep -o '"epoch":[0-9]*,.*"rows_per_second":[0-9.]*' "$1" | sed 's/.*://' | tail -n +2 | sort -n |
    awk '{ speed[NR] = $1 } END { if (NR) printf "%d", speed[int((NR + 1) / 2)] }'
}

# --- comparisons

comparisons() {
  local test
  step list 20 it gpu:: --list
  for test in $(sed -n 's/^gpu::\(.*\): test$/\1/p' "$log"); do
    [ "$test" = a_table_is_written ] && continue
    [ "$test" = a_full_device_is_a_clear_error ] && [ "$device" = cpu ] && continue
    step "test-$test" 45 it --exact "gpu::$test" --include-ignored --nocapture
    grep -o '{"compared".*}' "$log" |
      sed 's/{"compared":"\(.*\)","largest":"\(.*\)","tolerance":\(.*\)}/\1\t\2\t\3/' > compared
    while IFS=$'\t' read -r of largest tolerance; do
      record compare "$of" "$largest" '' "at most $tolerance: $(awk "BEGIN{exit !($largest + 0 <= $tolerance && \"$largest\" != \"inf\")}" && echo ok || echo WRONG)"
    done < compared
    if [ "$rc" = 0 ] && grep -q '^skipped:' "$log"; then
      record test "$test" skipped '' "$(grep -m1 '^skipped:' "$log")"
    elif [ "$rc" != skipped ]; then
      record test "$test" "$(case $rc in 0) echo ok ;; 124 | 137) echo 'out of time' ;; *) echo "failed with $rc" ;; esac)" '' \
        "$took s$([ "$rc" = 0 ] || { printf '; '; grep -m1 -A2 'panicked' "$log" | tr '\n' ' ' | cut -c1-200; })"
    fi
  done
}

# --- speed

network=(--hidden 256,128 --latent-dim 16 --activation relu --scale standard --val-fraction 0 --patience 0 --seed 1)

# fit COLUMNS BATCH DEVICE EPOCHS LIMIT
fit() {
  local name=fit-$1-$2-$3 at
  at=$(mark)
  must "$name" "$5" vaepipe fit "$(table_for "$1" "$2")" -m "$1.safetensors" --force --device "$3" --batch-size "$2" --epochs "$4" \
    "${network[@]}" -v --log-format json --summary json || return
  local waited
  waited=$(sed -n 's/.*stage train: \(.*\) (in.*/train \1/p' "$log" | tail -1)
  record fit "$1 columns, batch $2, $3" "$(epoch_speed "$log")" rows/s "whole fit $took s; $waited; $([ "$3" = cpu ] || since "$at")"
}
# transform COLUMNS DEVICE
transform() {
  local at
  at=$(mark)
  must "transform-$1-$2" 30 vaepipe transform "$1.parquet" out.parquet -m "$1.safetensors" --force --device "$2" -v --summary json || return
  local times
  times=$(sed -n 's/.*stage \(read\|slice\|model\|write\): \(.*\) busy.*/\1 \2/p' "$log" | tr '\n' ',')
  record transform "$1 columns, $2" "$(number rows_per_second "$log" | sed 's/\..*//')" rows/s \
    "whole command $took s; busy: $times $([ "$2" = cpu ] || since "$at")"
  rm -f out.parquet
}
speed() {
  local width batch
  for width in "${columns[@]}"; do
    [ -e "$width.parquet" ] || { record step "rows-$width" failed '' "$(last_line "logs/rows-$width")"; continue; }
    for batch in "${batches[@]}"; do
      case $width-$batch in 784-* | *-256 | *-4096 | *-65536) fit "$width" "$batch" "$device" $((batch > 16384 ? 12 : batch > 1024 ? 6 : 4)) 20 ;; esac
    done
    transform "$width" "$device"
    [ "$device" = cpu ] || transform "$width" cpu
  done
  [ "$device" = cpu ] && return
  for width in "${columns[@]}"; do
    for batch in 256 4096 65536; do
      [[ " ${batches[*]} " = *" $batch "* ]] && [ -e "$width.parquet" ] || continue
      case $width-$batch in 784-* | *-4096) fit "$width" "$batch" cpu 3 12 ;; esac
    done
  done
}

# --- shares of the time: what a step asks of the driver (trace.c), from the difference of 20 and 120 steps

part() { sed -n "s/.*\"$2\":{[^}]*\"$3\":\([0-9.]*\).*/\1/p" "$work/$1"; }
# a_step KIND FIELD [EVENTS]: of one step.
a_step() { compute "($(part "trace${3:-}-120.json" "$1" "$2") - $(part "trace${3:-}-20.json" "$1" "$2")) / 100" "${4:-4}"; }
shares() {
  local batch=$1 width=784 steps events
  [ -e trace.so ] || cp "$here/trace.so" . 2> /dev/null || { record shares trace missing; return; }
  for events in '' 1; do
    for steps in 20 120; do
      must "trace$events-$batch-$steps" 20 env LD_PRELOAD="$work/trace.so" TRACE_OUT="$work/trace$events-$steps.json" TRACE_EVENTS="$events" \
        vaepipe fit "$(table_for "$width" "$batch")" -m trace.safetensors --force --device "$device" --batch-size "$batch" --epochs 1000 --max-steps "$steps" \
        "${network[@]}" -v --log-format json || return
      cat "$work/trace$events-$steps.json" >> traces.log
      [ "$events$steps" = 120 ] && speed_of=$(epoch_speed "$log")
    done
  done
  local of="$width columns, batch $batch, a step" kind
  for kind in kernels products to_device to_host within_device fills allocations releases waits events; do
    record calls "$of: $kind" "$(a_step $kind calls)" calls \
      "$(a_step $kind bytes) bytes, $(compute "1e6 * ($(a_step $kind host_s '' 9))") us of the host, $(compute "1e6 * ($(a_step $kind device_s 1 9))") us of the device"
  done
  record memory "$of: allocated by the program" "$(number peak_bytes trace-120.json)" bytes 'at most, by trace.so'
  # The whole step without the tracer, if it was measured; the host's seconds of the run without events, the device's with them.
  local step_s untraced
  untraced=$(awk -F'\t' -v name="$width columns, batch $batch, $device" '$1 == "fit" && $2 == name { print $3 }' "$table")
  step_s=$(compute "$batch / ${untraced:-${speed_of:-0}}" 9)
  share() { record shares "$of: $1" "$(compute "100 * ($2) / $step_s" 3)" % "of $(compute "1e6 * $step_s") us; $3"; }
  share kernels "$(a_step kernels device_s 1 9) + $(a_step products device_s 1 9)" 'time of the device, between events'
  share copies "$(a_step to_device device_s 1 9) + $(a_step to_host device_s 1 9) + $(a_step within_device device_s 1 9)" 'time of the device, between events'
  share 'launching' "$(a_step kernels host_s '' 9) + $(a_step products host_s '' 9)" 'time of the host'
  share 'allocating' "$(a_step allocations host_s '' 9) + $(a_step releases host_s '' 9)" 'time of the host'
  share 'events' "$(a_step events host_s '' 9)" 'time of the host'
  share 'waiting' "$(a_step to_host host_s '' 9) + $(a_step waits host_s '' 9)" 'time of the host, copies to it included'
}

# All kernels by name, with Nsight Systems: PARTS=nsys.
profile() {
  must nsys 60 nsys profile --trace=cuda,cublas --stats=true -o "$work/nsys" vaepipe fit "$(table_for 784 4096)" -m nsys.safetensors \
    --device "$device" --batch-size 4096 --epochs 1000 --max-steps 100 "${network[@]}" && record step nsys ok '' 'its tables are in log.txt'
}

# --- faults

failing() { # failing NAME WORDS COMMAND...: it has to fail with code 1, say WORDS, and write nothing.
  local name=$1 words=$2
  shift 2
  step "fault-$name" 30 "$@"
  [ "$rc" = skipped ] && return
  fault "$name" "$(
    [ "$rc" = 1 ] || echo "ended with $rc, not 1: $(reason "$log")"
    grep -q "$words" "$log" || echo "did not say '$words': $(reason "$log")"
    ls -A faults | grep -v '^in.parquet$\|^kept.safetensors$' | sed 's/^/left /'
  )" "$(grep -m1 "$words" "$log" | cut -c1-200)"
  find faults -mindepth 1 ! -name in.parquet ! -name kept.safetensors -delete
}
faults() {
  local training=(--device "$device" --batch-size 512 --seed 1)
  local trained=("${training[@]}" --epochs 3)
  mkdir -p faults && cp "$here/sample_data/digits.parquet" faults/in.parquet
  must alone 30 vaepipe fit faults/in.parquet -m alone.safetensors --force "${trained[@]}" || return
  cp alone.safetensors faults/kept.safetensors
  if [ "$device" = cuda ]; then
    local traced=(env LD_PRELOAD="$here/trace.so")
    failing 'a device that is not there' 'not available' vaepipe fit faults/in.parquet -m faults/new.safetensors --device cuda:99
    failing 'no device is visible' 'not available' env CUDA_VISIBLE_DEVICES= vaepipe fit faults/in.parquet -m faults/new.safetensors --device cuda
    must auto 30 env CUDA_VISIBLE_DEVICES= vaepipe fit faults/in.parquet -m auto.safetensors --force --device auto --epochs 1
    fault 'auto takes the CPU where no device is visible' "$(grep -q 'device cpu' "$log" || last_line "$log")"
    failing 'out of memory in a fit' 'the device is out of memory' "${traced[@]}" TRACE_MEMORY=4000000 \
      vaepipe fit faults/in.parquet -m faults/new.safetensors "${trained[@]}"
    failing 'out of memory in a transform' 'the device is out of memory' "${traced[@]}" TRACE_MEMORY=1000000 \
      vaepipe transform faults/in.parquet faults/new.parquet -m faults/kept.safetensors --device cuda
    failing 'the device is lost in a fit' 'the device failed' "${traced[@]}" TRACE_LOST=900 \
      vaepipe fit faults/in.parquet -m faults/new.safetensors "${training[@]}" --epochs 1000
    failing 'the device is lost in a transform' 'the device failed' "${traced[@]}" TRACE_LOST=20 \
      vaepipe transform faults/in.parquet faults/new.parquet -m faults/kept.safetensors --device cuda
    fault 'a lost device loses no model' "$(cmp alone.safetensors faults/kept.safetensors 2>&1)"
  fi

  # Two at once, and many: the same bytes as alone.
  local one other since=$SECONDS
  vaepipe fit faults/in.parquet -m one.safetensors --force "${trained[@]}" > logs/one 2>&1 & one=$!
  vaepipe fit faults/in.parquet -m other.safetensors --force "${trained[@]}" > logs/other 2>&1 & other=$!
  wait $one $other
  fault 'two processes on one device' "$(for name in one other; do cmp alone.safetensors $name.safetensors 2>&1 || last_line logs/$name; done)"

  local busy=()
  for other in 1 2 3; do
    timeout 25 vaepipe fit 784.parquet -m "busy$other.safetensors" --force --device "$device" --batch-size 4096 --epochs 1000 \
      "${network[@]}" > "logs/busy$other" 2>&1 & busy+=($!)
  done
  sleep 3
  must busy 30 vaepipe fit faults/in.parquet -m busy.safetensors --force "${trained[@]}" &&
    fault 'a busy device' "$(cmp alone.safetensors busy.safetensors 2>&1)" "$took s beside three fits"
  background+=("${busy[@]}")

  # SIGINT: code 130 within three seconds, and nothing but a checkpoint.
  local since ended
  since=$(date +%s%N)
  kill -INT "${busy[0]}"
  wait "${busy[0]}"
  ended=$?
  since=$((($(date +%s%N) - since) / 1000000))
  kill -TERM "${busy[@]:1}" 2> /dev/null
  wait "${busy[@]:1}" 2> /dev/null
  fault 'SIGINT in the middle of a fit' "$(
    [ $ended = 130 ] || echo "ended with $ended, not 130: $(last_line logs/busy1)"
    [ $since -lt 3000 ] || echo "took $since ms"
    [ ! -e busy1.safetensors ] || echo 'left a model'
  )" "after $since ms"
}

# --- PyTorch

pytorch() {
  local python point points=()
  for python in python3 /opt/*/.venv/bin/python3 /opt/*/bin/python3; do
    "$python" -c "import torch; assert '$device' == 'cpu' or torch.cuda.is_available()" 2> /dev/null && break
    python=
  done
  [ -n "$python" ] || { record step torch skipped '' 'no Python here has torch that sees the device'; return; }
  local width
  for width in "${columns[@]}"; do
    for batch in 4096 256 65536 1024 16384; do
      [[ " ${batches[*]} " = *" $batch "* ]] || continue
      case $width-$batch in 784-* | *-256 | *-4096 | *-65536) points+=("$width:$batch") ;; esac
    done
  done
  local seconds=$(($(left) - 6))
  [ "$seconds" -ge 10 ] || { record step torch skipped '' 'no time left'; return; }
  must torch $((seconds + 4)) env PYTHONUNBUFFERED=1 "$python" "$here/torch_vae.py" --device "$device" --seconds $((seconds - 12)) \
    --each "$([ -n "$small" ] && echo 0.2 || echo 0.7)" --files "$work" "${points[@]}"
  while read -r line; do
    case $line in
      '{"what": "fit"'*) kind=fit ;;
      '{"what": "transform"'*) kind=transform ;;
      '{"what": "torch"'*) record machine torch "$(sed 's/.*"version": "\([^"]*\)".*/\1/' <<< "$line")"; continue ;;
      '{"what": "failed"'* | '{"what": "skipped"'*) record step torch "$(sed 's/{"what": "\([a-z]*\)".*/\1/' <<< "$line")" '' "$(tr -d '"{}' <<< "$line")"; continue ;;
      *) continue ;;
    esac
    of() { sed -n "s/.*\"$1\": \"\{0,1\}\([^\",}]*\(, [a-z ]*\)\{0,1\}\).*/\1/p" <<< "$line"; }
    record $kind "$(of columns | sed 's/,.*//') columns, $([ $kind = fit ] && echo "batch $(of batch | sed 's/,.*//'), ")$(of engine)" "$(of rows_per_s | sed 's/,.*//')" rows/s \
      "$(tr -d '"{}' <<< "${line#*rows_per_s*, }" | grep -v what)"
  done < "$log"
}

# --- all of it

wanted() { [[ " $parts " = *" $1 "* ]]; }

SECONDS=0
tables=()
if machine; then
  watch_device
  make_rows
  first=$here/sample_data/digits.parquet
  must first 60 vaepipe fit "$first" -m first.safetensors --device "$device" --epochs 1 &&
    record machine 'first start' "$took" s 'the driver compiles the kernels'
  must second 30 vaepipe fit "$first" -m first.safetensors --force --device "$device" --epochs 1 &&
    record machine 'second start' "$took" s 'from the cache of the driver'
  ! wanted comparisons || comparisons
  wait "${tables[@]}"
  ! wanted speed || speed
  if [ "$device" = cuda ]; then
    for batch in 256 4096; do
      wanted shares && [[ " ${batches[*]} " = *" $batch "* ]] && shares "$batch"
    done
    record memory 'of the device, nvidia-smi' "$(since 0)"
  fi
  ! wanted nsys || profile
  ! wanted faults || faults
  ! wanted pytorch || pytorch
fi
record machine seconds "$SECONDS" s

for log in logs/*; do
  printf '\n===== %s\n' "${log#logs/}"
  # Epochs by the thousand say no more than the last ones.
  tail -c 20000 "$log"
done > "$out/log.txt"
[ ! -e traces.log ] || cp traces.log "$out/traces.jsonl"
awk -F'\t' '
  function text(s) { gsub(/\\/, "/", s); gsub(/"/, "\\\"", s); gsub(/[[:cntrl:]]/, " ", s); return "\"" s "\"" }
  BEGIN { print "{\"results\":[" }
  { value = text($3)
    if ($3 ~ /^-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?$/) value = $3
    printf "%s{\"section\":%s,\"name\":%s,\"value\":%s,\"unit\":%s,\"note\":%s}\n", (NR == 1 ? "" : ","), text($1), text($2), value, text($4), text($5) }
  END { print "]}" }' "$table" > "$out/results.json"
awk -F'\t' '
  { if (length($2) > wide) wide = length($2); row[NR] = $0 }
  END { for (i = 1; i <= NR; i++) { split(row[i], c, "\t")
    if (c[1] != section) { section = c[1]; printf "\n%s\n", section }
    printf "  %-*s  %14s %-6s  %s\n", wide, c[2], c[3], c[4], c[5] } }' <(sort -s -t$'\t' -k1,1 "$table") | tee "$out/table.txt"
! cut -f3,5 "$table" | grep -qE '^(WRONG|failed|out of time|missing)|WRONG$'
