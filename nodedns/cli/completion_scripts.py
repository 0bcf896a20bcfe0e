"""``SCRIPTS``: what a shell has to be told once to have ``nodedns`` complete its own command lines.

Strategy: each script hands the words up to the cursor to ``nodedns completion -words`` and offers what comes back:
lines of a candidate, a tab and a note. A candidate that ends in ``=`` gets no blank behind it; a line of one tab
stands for the names of files.

Source: bash(1) on programmable completion, zshcompsys(1), complete(1) of fish.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SCRIPTS"]

_BASH = r"""# bash completion for nodedns
_nodedns() {
    local line="${COMP_LINE:0:COMP_POINT}" words word prefix current candidate note
    # Split at blanks alone: bash has also taken words apart at "=" and ":".
    read -r -a words <<<"$line"
    [[ "$line" == *[[:space:]] ]] && words+=("")
    word="${words[${#words[@]}-1]}"
    current="$word"
    prefix=""
    if [[ "$word" == *[=:]* ]]; then
        prefix="${word%"${word##*[=:]}"}"
        current="${word##*[=:]}"
    fi
    COMPREPLY=()
    while IFS=$'\t' read -r candidate note; do
        if [[ -z "$candidate" ]]; then
            compopt -o filenames 2>/dev/null
            while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -f -- "$current")
        else
            COMPREPLY+=("${candidate#"$prefix"}")
            [[ "$candidate" == *= ]] && compopt -o nospace 2>/dev/null
        fi
    done < <("${words[0]}" completion -words "${words[@]}" 2>/dev/null </dev/null)
    return 0
}
complete -F _nodedns nodedns
"""

_ZSH = r"""#compdef nodedns
_nodedns() {
    local line candidate note
    local -a closed closed_notes open open_notes
    for line in "${(@f)$("${words[1]}" completion -words "${(@)words[1,CURRENT]}" 2>/dev/null </dev/null)}"; do
        candidate="${line%%$'\t'*}" note="${line#*$'\t'}"
        if [[ -z "$line" ]]; then
            continue
        elif [[ -z "$candidate" ]]; then
            [[ "$PREFIX" == -*=* ]] && compset -P '*='
            _files
        elif [[ "$candidate" == *= ]]; then
            open+=("$candidate") open_notes+=("$candidate  $note")
        else
            closed+=("$candidate") closed_notes+=("$candidate${note:+  $note}")
        fi
    done
    (( $#closed )) && compadd -l -d closed_notes -a closed
    (( $#open )) && compadd -l -S '' -d open_notes -a open
    return 0
}
if [[ "$funcstack[1]" == _nodedns ]]; then
    _nodedns "$@"
else
    compdef _nodedns nodedns
fi
"""

_FISH = r"""# fish completion for nodedns
function __nodedns_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] completion -words $words 2>/dev/null </dev/null)
        if string match -q -- \t $line
            set -l current (commandline -ct)
            set -l flag (string match -r -- '^-.*=' $current)
            __fish_complete_path (string replace -r -- '^-[^=]*=' '' $current) | while read -l path
                echo -- "$flag$path"
            end
        else
            echo -- $line
        end
    end
end
complete -c nodedns -f -a '(__nodedns_complete)'
"""

SCRIPTS: Mapping[str, str] = {"bash": _BASH, "fish": _FISH, "zsh": _ZSH}
"""The script of each shell, by the shell's name."""
