# Sums the results of all test projects from their .trx files. One record is one XML tag; a `<` inside a text or an
# attribute is escaped there, so nothing that a test prints can look like a result.
# Variables: broken (projects that ended without results), allowed (file of skips), summary (file for the last line).

BEGIN {
    RS = "<"
    split("", reasons)
    rs = RS; RS = "\n"
    while ((getline line < allowed) > 0) {
        if (line ~ /^[ \t]*(#|$)/) continue
        at = index(line, "#")
        name = at ? substr(line, 1, at - 1) : line
        reason = at ? substr(line, at + 1) : ""
        gsub(/^[ \t]+|[ \t]+$/, "", name)
        gsub(/^[ \t]+|[ \t]+$/, "", reason)
        if (reason == "") { print "eng/test: " allowed ": no reason is given for " name; bad = 1 }
        reasons[name] = reason
    }
    RS = rs
}

/^UnitTestResult[ \t\r\n]/ {
    shown = name = attribute("testName")
    sub(/\(.*/, "", name)
    outcome = attribute("outcome")
    if (outcome == "Passed") passed++
    else if (outcome == "NotExecuted") {
        skipped++
        if (!(name in reasons)) { print "eng/test: skipped, and not named in " allowed ": " name; bad = 1 }
    }
    else { failed++; failures[failed] = substr(shown, 1, 200) }
}

function attribute(key,    at, rest) {
    at = match($0, "[ \t\r\n]" key "=\"")
    if (!at) return ""
    rest = substr($0, at + length(key) + 3)
    return substr(rest, 1, index(rest, "\"") - 1)
}

END {
    for (i = 1; i <= failed; i++) print "failed: " failures[i]
    failed += broken
    if (passed + failed == 0) { print "eng/test: no test ran"; bad = 1 }
    line = (passed + 0) " passed, " (failed + 0) " failed" (skipped ? ", " skipped " skipped" : "")
    print line > summary
    print line
    exit (bad || failed) ? 1 : 0
}
