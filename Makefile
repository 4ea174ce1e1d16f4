# Every target sets up what it needs: .venv, from requirements.lock. GNU make and a POSIX sh are enough.
.DEFAULT_GOAL := repro
.PHONY: setup repro test check serve bench gpu
FORMS := $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))

setup:
	@bin/setup

# Remove what deleted networks left behind, run what is out of date, then print where the report is and how the result
# compares with the committed metrics.
repro: setup
	bin/pixelproof params >/dev/null
	bin/pixelproof gc
	bin/python -m dvc repro
	bin/pixelproof verify workspace || [ $$? -eq 3 ]  # cannot tell: nothing to compare with yet, or another tree

# Everything except GPU tests and slow tests; slow tests of what the README promises are included. Waiting threads
# sleep: spinning ones would take cores from the other test processes.
test: setup
	OMP_WAIT_POLICY=passive bin/python -m pytest -n auto --maxprocesses 4 --dist worksteal

check: setup
	bin/python -m ruff check
	bin/python -m ruff format --check
	bin/python -m mypy
	.venv/bin/lint-imports --no-cache --no-logo
	bin/python -m pip check --disable-pip-version-check
	bin/python -m check_jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	bin/python -m check_jsonschema --builtin-schema vendor.gitlab-ci .gitlab-ci.yml
	bin/python -m check_jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	bin/python -m check_jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	bin/python -m check_jsonschema --builtin-schema vendor.github-issue-forms $(FORMS)
	bin/python -m check_jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	bin/python -m check_jsonschema --builtin-schema vendor.compose-spec pipelines/deploy/compose.yaml
	.venv/bin/shellcheck pipelines/deploy/slurm.sh
	.venv/bin/zizmor --offline --strict-collection --quiet .github/workflows .github/dependabot.yml
	bin/pixelproof check

serve: setup
	bin/pixelproof serve

bench: setup
	bin/python benchmarks/help.py
	bin/python benchmarks/noop.py
	bin/python benchmarks/intervals.py
	bin/python benchmarks/reproduce_overhead.py
	bin/python benchmarks/repro.py
	bin/python benchmarks/shapes.py
	bin/python benchmarks/augment.py
	bin/python benchmarks/evaluate.py
	bin/python benchmarks/compare.py
	bin/python benchmarks/significance.py
	bin/python benchmarks/folds.py
	bin/python benchmarks/regions.py
	bin/python benchmarks/train.py

# What only a GPU can show, into one file: benchmarks/results/gpu.md, or OUT=FILE. Needs no network once setup has run.
gpu: setup
	bin/python benchmarks/gpu.py $(if $(OUT),--out "$(OUT)")
