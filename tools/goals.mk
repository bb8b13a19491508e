# The inner half of the Makefile: how each goal is reached. `make INNER_GOAL=book` runs one.
BIN := .venv/bin
PYTHON_IN := $(BIN)/python
JOBS ?= 2
PORT ?= 8000
# Jobs side by side share the cores: with more threads than cores each they would only wait.
PYTEST := OMP_NUM_THREADS=1 $(PYTHON_IN) -m pytest -q -n $(JOBS)
BUILD := $(BIN)/jupyter-book build . -W -n --keep-going
# The mathematics: the tests of these modules and their examples take about a minute.
MATHS := tasks episodes contracts params models adapt maml learners relatives gradients training evaluation
MATHS_TESTS = $(wildcard $(foreach name,$(MATHS),tests/test_$(name).py maml_tutorial/$(name) maml_tutorial/$(name).py))
TEST_FAILED := a test failed: its name is above; run that one alone with .venv/bin/python -m pytest NAME
BROWSERS := chromium chromium-browser google-chrome

# $(call try,COMMAND,WORDS): run it; where it fails, leave the words for the last line.
try = { $(1); } || { [ -s $(WHY) ] || echo "$(2)" > $(WHY); exit 1; }

.PHONY: $(GOALS) venv html decks
.DEFAULT_GOAL := $(INNER_GOAL)

venv:
	@WHY=$(WHY) bash tools/venv.sh

setup: venv
	@echo "setup: $$($(PYTHON_IN) --version) in .venv, all pins installed"

# From a clean folder: a second run of Sphinx repeats no warning of pages it takes for unchanged.
html: venv
	@rm -rf _build
	@$(call try,$(BUILD) --quiet,the book did not build without warnings: each is above with its file and line; mend it there)

book: html
	@echo "book: open $(CURDIR)/_build/html/index.html, or run make serve"

serve: venv
	@[ -f _build/html/index.html ] || $(MAKE) INNER_GOAL=book WHY=$(WHY)
	@echo "serve: http://127.0.0.1:$(PORT) (Ctrl-C ends it)"
	@$(call try,$(PYTHON_IN) -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html,port $(PORT) is taken: name another with make serve PORT=8001)

pdf: venv
	@$(call try,$(BUILD) --quiet --builder singlehtml,the single page did not build without warnings: each is above; mend it there)
	@$(call try,$(PYTHON_IN) tools/print_pdf.py _build/singlehtml/index.html _build/book.pdf,no PDF: its reason is above)
	@echo "pdf: $(CURDIR)/_build/book.pdf"

decks: venv
	@rm -rf _build/slides
	@$(call try,OMP_NUM_THREADS=1 $(PYTHON_IN) -m tools.slides html,a slide asks for what its notebook does not show: each is above with its file and line; mend it there)

slides: decks
	@$(call try,$(PYTHON_IN) -m tools.slides pdf,no PDF: its reason is above)
	@echo "slides: open $(CURDIR)/_build/slides/index.html; each deck's PDF lies beside it"

quiz: venv
	@$(call try,$(PYTHON_IN) -m tools.quiz_bank _build/quiz/maml_quiz.xml,a quiz is no question bank: see above; mend its cell)

notebooks: venv
	@$(call try,OMP_NUM_THREADS=1 $(PYTHON_IN) -m tools.notebooks run --jobs $(JOBS),a notebook did not run to its end: its name and cell are above; mend the cell and run make notebooks again)
	@echo "notebooks: all executed; git diff shows which outputs changed"

lint: venv
	@$(call try,$(PYTHON_IN) -m ruff check --quiet .,ruff found a fault: see above; much mends itself with .venv/bin/ruff check --fix)
	@$(call try,$(PYTHON_IN) -m ruff format --check --quiet .,the files named by .venv/bin/ruff format --check are not formatted: run .venv/bin/ruff format)
	@$(call try,$(PYTHON_IN) -m mypy --no-error-summary,a type is wrong: see above; mend it there (the settings are [tool.mypy] in pyproject.toml))
	@$(call try,$(BIN)/oxlint --deny-warnings --quiet maml_tutorial book/assets course,a script has a fault: see above; mend it there)
	@$(call try,$(BIN)/codespell,a word is misspelt: see above; a true word goes into ignore-words-list in pyproject.toml)
	@$(call try,$(PYTHON_IN) -m tools.prose,proselint would write a sentence otherwise: each line above quotes its start; mend it or extend TASTE in tools/prose.py)
	@$(call try,$(PYTHON_IN) -m tools.claims,a claim of the book has no source: give it a cell or a record or a citation; or its reason in tools/claims/reasons.toml)
	@$(call try,$(PYTHON_IN) -m tools.notebooks check,a notebook breaks a rule: each line above says how to mend it)
	@$(call try,$(PYTHON_IN) -m tools.repository check,an address differs from the one in pyproject.toml: run make repository URL=...)
	@$(call try,$(PYTHON_IN) -m tools.order check,CONTRIBUTING.md gives the modules another order than pyproject.toml: run .venv/bin/python -m tools.order write)
	@echo "lint: clean"

check: lint
	@$(call try,$(PYTEST) -m "not slow" $(MATHS_TESTS),$(TEST_FAILED))
	@echo "check: lint is clean and the mathematics holds; make test checks the rest"

test: lint html decks
	@$(call try,BOOK_HTML=_build/html SLIDES_HTML=_build/slides $(PYTEST) --junit-xml .make/tests.xml,$(TEST_FAILED))
	@$(call try,$(PYTEST) --dist loadscope --nbval-lax --junit-xml .make/cells.xml book,a notebook cell failed: it is named above; mend it and run make notebooks)
	@$(PYTHON_IN) tools/summary.py .make/tests.xml .make/cells.xml

bench: venv
	@$(call try,$(PYTHON_IN) -m benchmarks.meta_step maml_tutorial/data/benchmarks/meta_step.json && $(PYTHON_IN) -m benchmarks.draw,the benchmark stopped: its reason is above)

STUDENTS ?= 1001 1002 1003
assignments: venv
	@$(call try,OMP_NUM_THREADS=1 $(PYTHON_IN) -m tools.assignments $(if $(SUBMISSIONS),grade "$(SUBMISSIONS)" $(if $(WEAK),--weak),build $(STUDENTS)),its reason is above)

course-check: venv
	@$(call try,$(PYTEST) course,$(TEST_FAILED))
	@echo "course-check: every made-up submission got the marks that the scheme says"

lock: venv
	@$(call try,$(PYTHON_IN) tools/lock.py,pip could not resolve requirements.txt: its words are above)

# These two need no .venv: who publishes a copy need not install torch first.
repository:
	@python=$$(WHY=$(WHY) bash tools/venv.sh find); \
	[ -n "$(URL)" ] || { echo "no URL given: $$($$python -m tools.publish suggestion)" > $(WHY); exit 1; }; \
	$(call try,$$python -m tools.repository set "$(URL)" $(if $(SITE),"$(SITE)") $(if $(REF),"--ref=$(REF)") 2> >(tee $(WHY) >&2),see above)

publish-check:
	@python=$$(WHY=$(WHY) bash tools/venv.sh find); \
	$(call try,$$python -m tools.publish 2> >(tee $(WHY) >&2),see above)

publish-trial: venv
	@$(call try,$(PYTHON_IN) -m pytest -q -s tests/publish_trial.py,a step of publishing failed: its name is above)
