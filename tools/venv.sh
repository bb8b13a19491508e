#!/usr/bin/env bash
# Make .venv from requirements.txt, or say in one line why it cannot be made.
#
#   PYTHON=/path/to/python3.12 WHY=file tools/venv.sh [find]
#
# With `find` it only prints a Python of an allowed version: that of .venv, where there is one.
#
# .venv/.complete is written last and holds what the environment was made from, so that a half-made
# one is never taken for whole, and one whose pins have changed is brought up to date.
set -eu -o pipefail

readonly VENV=.venv STAMP=.venv/.complete LOG=.make/pip.log
readonly ALLOWED="3.11 3.12 3.13"

fail() {
    echo "$1" > "${WHY:-/dev/null}"
    echo "$1" >&2
    exit 1
}

version_of() { # prints nothing where the command does not run (an empty shim, say)
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null || true
}

allowed() { [[ " $ALLOWED " == *" $1 "* && -n $1 ]]; }

find_python() {
    local name version seen=""
    for name in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
        version=$(version_of "$name")
        if allowed "$version"; then
            echo "$name"
            return
        fi
        [[ -z $version ]] || seen+="${seen:+, }$name is $version"
    done
    if [[ -n ${PYTHON:-} ]]; then
        fail "PYTHON=$PYTHON is ${version:-no working Python}, and the pins need Python 3.11, 3.12 or 3.13: name one of those, as in make book PYTHON=/usr/bin/python3.12"
    fi
    fail "no Python 3.11, 3.12 or 3.13 on PATH (${seen:-no Python at all}): install one from python.org or your package manager, or name it: make book PYTHON=/path/to/python3.12"
}

made_from() { # all that decides what is in the environment, its place included
    pwd
    cat requirements.txt constraints.txt
    grep -vE '^(Repository|Documentation) = ' pyproject.toml # another address installs nothing else
}

explain() { # the reason, read from pip's own words
    local words
    words=$(grep -E "WARNING|ERROR|Error|Errno" "$LOG" || true)
    says() { grep -qiE "$1" <<< "$words"; }
    if says "No space left|Errno 28"; then
        fail "the disk is full: .venv takes up to 7 GB on Linux (torch brings the GPU libraries); free some space and run the same command again"
    elif says "connection|timed? ?out|max retries|name resolution|SSLError|ProxyError|IncompleteRead|from versions: none"; then
        fail "pip could not reach its package index: check the network (or the proxy, or PIP_INDEX_URL) and run the same command again"
    elif says "no matching distribution"; then
        fail "$(grep -i "no matching distribution" <<< "$words" | tail -1 | sed 's/^ERROR: //'): this system has no such build; see Troubleshooting in README.md"
    fi
    fail "pip could not install requirements.txt (its words are above and in $LOG): mend what it names and run the same command again"
}

if [[ ${1:-} == find ]]; then
    [[ -n ${PYTHON:-} ]] || ! allowed "$(version_of $VENV/bin/python)" || PYTHON=$VENV/bin/python
    find_python
    exit
fi

if [[ -f $STAMP ]] && made_from | cmp -s - "$STAMP" && [[ -n $(version_of $VENV/bin/python) ]] &&
    [[ -z ${PYTHON:-} || $(version_of "$PYTHON") == $(version_of $VENV/bin/python) ]]; then
    exit 0
fi

python=$(find_python)
mkdir -p .make
"$python" -c "import venv, ensurepip" 2> /dev/null ||
    fail "$python has no venv module: on Debian or Ubuntu install it with apt-get install python3-venv, elsewhere install Python from python.org, then run the same command again"

# Only a whole environment of the same Python, in the same place, is worth keeping.
if [[ ! -f $STAMP || $(head -1 $STAMP) != "$PWD" || $(version_of $VENV/bin/python) != $(version_of "$python") ]]; then
    rm -rf $VENV
    "$python" -m venv $VENV || fail "$python could not make $VENV: its words are above"
fi
rm -f $STAMP

echo "Installing the pinned packages into $VENV ($("$python" --version); some minutes the first time)"
# Not compiling saves half a minute: Python compiles what it imports, when it imports it.
$VENV/bin/python -m pip install --disable-pip-version-check --no-compile \
    -r requirements.txt 2>&1 | tee $LOG | { grep -v "already satisfied" || true; } || explain
$VENV/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation \
    -e . 2>&1 | tee $LOG || explain
made_from > $STAMP
