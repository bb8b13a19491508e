# `make` alone lists what there is. Each target says in its last line how it went.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GOALS := setup book check test lint notebooks serve pdf slides quiz bench lock repository publish-check publish-trial assignments course-check
# What a goal that failed has to say. Make's own error is always the last line printed, so the outer
# half of this file runs the goal in a second make and then quotes these words in that error.
WHY = .make/why-$(INNER_GOAL)

ifndef INNER_GOAL

.PHONY: help clean $(GOALS)
help:
	@echo "make book         build the book (the first time with all it needs, in .venv)"
	@echo "make serve        show it at http://127.0.0.1:8000"
	@echo "make check        lint and the tests of the mathematics, in under two minutes"
	@echo "make test         everything that must hold: lint, tests, notebooks, book, browser"
	@echo "make notebooks    run all notebooks again and keep their outputs"
	@echo "make pdf          the book as one PDF (needs Chromium)"
	@echo "make slides       slides of every chapter, HTML and PDF, in _build/slides (needs Chromium)"
	@echo "make quiz         the quizzes as a question bank in Moodle's XML"
	@echo "make bench        time a meta-step; renews its record, meta_step.json"
	@echo "make assignments  problem sets for STUDENTS=\"1001 1002\"; SUBMISSIONS=folder marks them"
	@echo "make course-check made-up submissions must get the marks that the scheme says"
	@echo "make lint         ruff, mypy, oxlint, spelling, prose, claims, notebooks, address"
	@echo "make lock         renew constraints.txt after a change of requirements.txt"
	@echo "make repository URL=https://github.com/me/my-copy   set the address of your copy"
	@echo "                  with REF=v1.0 its set-up cells keep to that tag"
	@echo "make publish-check   what is left to do before your copy is published"
	@echo "make publish-trial   publish a copy to this computer, step by step as the README says"
	@echo "make clean        remove what was built; .venv stays"
	@echo "PYTHON=/path/to/python3.12 picks the Python (3.11, 3.12 or 3.13)"

clean:
	@rm -rf _build .make .pytest_cache .ruff_cache
	@find . -name __pycache__ -not -path "./.venv/*" -prune -exec rm -rf {} +
	@echo "clean: .venv stays (rm -r .venv removes it too)"

why = $(shell cat .make/why-$@ 2> /dev/null)
$(GOALS): %: run-%
	@$(if $(why),$(error make $@ failed: $(why)))

.PHONY: $(addprefix run-,$(GOALS))
$(addprefix run-,$(GOALS)): run-%:
	@mkdir -p .make; rm -f .make/why-$*; $(MAKE) INNER_GOAL=$* || { \
	    [ -s .make/why-$* ] || echo "the reason is above; mend it and run the same command again" > .make/why-$*; }

else

include tools/goals.mk

endif
