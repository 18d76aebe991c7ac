# Completion for fastrelay(1): what may come next is taken from the help of what stands there already, so that it names
# whatever the program knows.
_fastrelay()
{
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} help i
    local commands=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == [a-z]* && ${COMP_WORDS[i - 1]} != -* ]] && commands+=("${COMP_WORDS[i]}")
    done
    help=$("${COMP_WORDS[0]}" "${commands[@]:0:2}" --help 2>/dev/null || "${COMP_WORDS[0]}" "${commands[@]:0:1}" --help 2>/dev/null)
    if [[ $word != -* && $previous == -* ]] && grep -qE -- "^ +(-[a-z], )?$previous(, --[a-z-]+)? <(FILE|DIR|PATH)>" <<<"$help"; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(grep -oE '^ +(-[a-z?], )*(-[a-z?]|--[a-z-]+)(, --[a-z-]+)*' <<<"$help" | tr ',' '\n' | grep -oE -- '--[a-z-]+' | sort -u)" -- "$word")
    elif [[ ${commands[*]} == help ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" help 2>/dev/null | awk '/^  [a-z]/ { print $1 }')" -- "$word")
    elif [[ ${commands[0]} == journal && ${#commands[@]} -ge 2 ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "$(awk '/^Commands:/ { on = 1; next } /^[^ ]/ { on = 0 } on && NF { print $1 }' <<<"$help")" -- "$word")
    fi
}
complete -F _fastrelay fastrelay
