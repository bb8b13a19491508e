#!/usr/bin/env bash
# Inside Colab's image: run each notebook of /repository/book alone in an empty folder, as a reader's
# "Run all" does. Its set-up cell installs the package from MAML_TUTORIAL_REPOSITORY.
set -u -o pipefail

git config --global --add safe.directory "*" # the repository is mounted, so another user owns it
torch=$(python3 -c "import torch; print(torch.__version__)")
failed=()

while read -r notebook; do
    folder=$(mktemp -d)
    cp "$notebook" "$folder/notebook.ipynb"
    echo "::group::$notebook"
    (cd "$folder" && python3 -m jupyter nbconvert --to notebook --execute --stdout notebook.ipynb > /dev/null) ||
        failed+=("$notebook")
    echo "::endgroup::"
done < <(find /repository/book -name "*.ipynb" -not -path "*/.*" | sort)

if [[ $torch != "$(python3 -c "import torch; print(torch.__version__)")" ]]; then
    failed+=("torch was $torch and is another now")
fi
((${#failed[@]} == 0)) || { printf 'failed: %s\n' "${failed[@]}"; exit 1; }
