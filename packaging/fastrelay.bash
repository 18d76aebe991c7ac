# Completion for fastrelay(1): what may come next is taken from the help of what stands there already.
_fastrelay()
{
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} help
    case $previous in
        --config | -c | --file | --bodies | --html)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
    esac
    local commands=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == [a-z]* && ${COMP_WORDS[i - 1]} != -* ]] && commands+=("${COMP_WORDS[i]}")
    done
    help=$("${COMP_WORDS[0]}" "${commands[@]:0:2}" --help 2>/dev/null || "${COMP_WORDS[0]}" "${commands[@]:0:1}" --help 2>/dev/null)
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(grep -oE '(^|[ ,])--[a-z-]+' <<<"$help" | tr -d " ," | sort -u)" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "$(awk '/^Commands:/ { on = 1; next } /^[^ ]/ { on = 0 } on && NF { print $1 }' <<<"$help")" -- "$word")
    fi
}
complete -F _fastrelay fastrelay
