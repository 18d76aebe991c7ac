using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using FastRelay.Smtp;
using FastRelay.Tests.Golden;

namespace FastRelay.Tests.Fuzz.Smtp;

/// <summary>The same grammars, slow and obvious: whole strings, regular expressions, no state. Octets are Latin-1 characters here.</summary>
internal static partial class SlowTwins
{
    internal static string Text(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);

    internal static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    /// <summary>What the dot decoder must give for a stream that has an end; null when it has none.</summary>
    internal static DotResult? Dots(byte[] stream)
    {
        var wire = Text(stream);
        var content = new StringBuilder();
        for (var at = 0; ;)
        {
            var end = wire.IndexOf("\r\n", at, StringComparison.Ordinal);
            if (end < 0)
            {
                return null;
            }

            var line = wire[at..end];
            at = end + 2;
            if (line == ".")
            {
                var lines = Normalise(content.ToString());
                var stored = Stuff(lines);
                var bare = AnyNewline().Matches(content.ToString()).Count(m => m.Length == 1);
                return new DotResult(Bytes(stored), true, wire.Length - at, stored.Length - lines.Length, bare, lines.Length);
            }

            content.Append(line.StartsWith('.') ? line[1..] : line).Append("\r\n");
        }
    }

    internal static string Normalise(string content) => AnyNewline().Replace(content, "\r\n");

    internal static string Stuff(string lines) => DotAtLineStart().Replace(lines, "..");

    internal static string Unstuff(string stored) => DotAtLineStart().Replace(stored, "");

    internal static string Encode(string content)
    {
        var lines = Normalise(content);
        return Stuff(lines.Length == 0 || lines.EndsWith("\r\n", StringComparison.Ordinal) ? lines : lines + "\r\n");
    }

    internal static (long Octets, int Received, bool Ended) Header(string stored)
    {
        var end = stored.StartsWith("\r\n", StringComparison.Ordinal) ? 0 : stored.IndexOf("\r\n\r\n", StringComparison.Ordinal) is >= 0 and var i ? i + 2 : -1;
        var header = end < 0 ? stored : stored[..end];
        return (header.Length, ReceivedField().Count(header), end >= 0);
    }

    internal static List<string> Lines(byte[] stream, int limit)
    {
        var text = Text(stream);
        var result = new List<string>();
        for (var at = 0; ;)
        {
            var lf = text.IndexOf('\n', at);
            if (lf >= 0 && lf - at < limit)
            {
                var line = text[at..lf];
                var good = line.EndsWith('\r') && !line[..^1].Contains('\r', StringComparison.Ordinal) && !line.Contains('\0', StringComparison.Ordinal);
                result.Add(good ? "Line " + line[..^1] : "BareNewline " + (line.EndsWith('\r') ? line[..^1] : line));
                at = lf + 1;
                if (!line.EndsWith('\r'))
                {
                    var tail = text.IndexOf("\r\n", at, StringComparison.Ordinal);
                    if (tail < 0)
                    {
                        return result;
                    }
                    at = tail + 2;
                }
                continue;
            }

            var crlf = text.IndexOf("\r\n", at, StringComparison.Ordinal);
            if (crlf < 0)
            {
                return result;
            }

            result.Add("TooLong");
            at = crlf + 2;
        }
    }

    /// <summary>Replies as <see cref="Drivers.Replies"/> tells them.</summary>
    internal static List<string> Replies(byte[] stream, int lineMax, int totalMax, int linesMax, int textMax)
    {
        var result = new List<string>();
        var wire = Text(stream);
        var lines = new List<string>();
        for (int at = 0, start = 0; ;)
        {
            var lf = wire.IndexOf('\n', at);
            var end = lf < 0 ? wire.Length : lf + 1;
            var isOver = end - at > lineMax || (lf < 0 && end - at == lineMax);
            if (lf < 0 && !isOver)
            {
                return result;
            }

            var line = isOver ? wire.Substring(at, lineMax) : wire[at..lf];
            line = line.EndsWith('\r') ? line[..^1] : line;
            var looksLike = ReplyLine().Match(line);
            lines.Add(line);
            if (Math.Min(end - at, lineMax) + at - start > totalMax || !looksLike.Success || lines.Count > linesMax || line[..3] != lines[0][..3] || end - start > totalMax)
            {
                result.Add("Bad");
                return result;
            }

            if (lf < 0)
            {
                return result;
            }

            at = end;
            if (looksLike.Groups[1].Value != "-")
            {
                result.Add(Describe(lines, textMax));
                lines.Clear();
                start = at;
            }
        }
    }

    internal static string Sanitise(string latin)
    {
        var result = new StringBuilder();
        for (var i = 0; i < latin.Length; i++)
        {
            var rune = Enumerable.Range(2, 3).Select(n => StrictRune(latin, i, n)).FirstOrDefault(r => r != null);
            result.Append(latin[i] is >= ' ' and <= '~' ? latin[i].ToString() : latin[i] == '\t' ? " " : rune ?? "?");
            i += rune is null ? 0 : rune.Length - 1;
        }

        return result.ToString();
    }

    /// <summary>Local part and domain of an accepted path, null when refused. ASCII only.</summary>
    internal static (string Local, string Domain, int Consumed)? Path(string argument, bool forward)
    {
        var match = PathForm().Match(argument);
        if (argument.StartsWith("<>", StringComparison.Ordinal) && !forward && argument.Length <= 2 || argument.StartsWith("<> ", StringComparison.Ordinal) && !forward)
        {
            return ("", "", 2);
        }

        if (!match.Success || match.Groups["path"].Length > 256 || match.Groups["local"].Length > 64)
        {
            return null;
        }

        var domains = match.Groups["route"].Captures.Select(c => c.Value).Append(match.Groups["domain"].Value).Where(d => d.Length > 0);
        if (domains.Any(d => d.Length > 255 || (d[0] == '[' && Literal(d) is null)))
        {
            return null;
        }

        var isPostmaster = !match.Groups["domain"].Success;
        return isPostmaster && !forward ? null : (match.Groups["local"].Value, match.Groups["domain"].Value, match.Groups["path"].Length);
    }

    internal static IPAddress? Literal(string literal)
    {
        var inner = literal[1..^1];
        var isV6 = inner.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase);
        if (isV6)
        {
            inner = inner[5..];
        }

        // The class library reads 010 as octal; SMTP numbers are decimal.
        var plain = LeadingZeros().Replace(inner, m => m.Value.Length > 3 ? m.Value : m.Value.TrimStart('0').PadLeft(1, '0'));
        var ok = isV6 ? inner.Contains(':', StringComparison.Ordinal) : FourNumbers().IsMatch(inner);
        return ok && IPAddress.TryParse(isV6 ? OnlyInTail(inner, plain) : plain, out var address) ? address : null;
    }

    private static string OnlyInTail(string original, string plain)
        => original.Contains('.', StringComparison.Ordinal) ? original[..(original.LastIndexOf(':') + 1)] + plain[(plain.LastIndexOf(':') + 1)..] : original;

    private static string Describe(List<string> lines, int textMax)
    {
        var code = lines[0][..3];
        EnhancedCode first = default;
        var texts = new List<string>();
        foreach (var line in lines)
        {
            var text = line.Length > 4 ? line[4..] : "";
            var match = Enhanced().Match(text);
            if (match.Success && match.Value[0] == code[0])
            {
                if (first.IsNone)
                {
                    var parts = match.Value.Split('.').Select(n => int.Parse(n, CultureInfo.InvariantCulture)).ToArray();
                    first = new EnhancedCode(parts[0], parts[1], parts[2]);
                }
                else
                {
                    text = text[match.Length..].TrimStart(' ');
                }
            }

            texts.Add(Sanitise(text));
        }

        var joined = "";
        foreach (var text in texts.Where(t => t.Length > 0))
        {
            joined += (joined.Length > 0 ? " " : "") + text;
        }

        return $"{code} {first} {(lines.Count > 1 ? "multi" : "one")} |{Escaped.FromBytes(Bytes(joined.Length > textMax ? joined[..textMax] : joined))}|";
    }

    private static string? StrictRune(string latin, int at, int length)
    {
        if (at + length > latin.Length)
        {
            return null;
        }

        try
        {
            var text = new UTF8Encoding(false, true).GetString(Bytes(latin.Substring(at, length)));
            return text.EnumerateRunes().Count() == 1 && text.EnumerateRunes().Single().Value >= 0xA0 ? latin.Substring(at, length) : null;
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    [GeneratedRegex("\r\n|\r|\n")]
    private static partial Regex AnyNewline();

    [GeneratedRegex(@"(?<=\A|\n)\.")]
    private static partial Regex DotAtLineStart();

    [GeneratedRegex(@"(?<=\A|\n)received[ \t]*:", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex ReceivedField();

    [GeneratedRegex(@"\A[2-5][0-9][0-9](\z|-|\x20)", RegexOptions.Singleline)]
    private static partial Regex ReplyLine();

    [GeneratedRegex(@"\A[245]\.[0-9]{1,3}\.[0-9]{1,3}(?=\z|[ \t])")]
    private static partial Regex Enhanced();

    [GeneratedRegex(@"(?<![0-9])[0-9]+(?![0-9])")]
    private static partial Regex LeadingZeros();

    [GeneratedRegex(@"\A[0-9]{1,3}(\.[0-9]{1,3}){3}\z")]
    private static partial Regex FourNumbers();

    private const string Atom = @"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
    private const string Label = @"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?";
    private const string Domain = $@"(?:{Label}(?:\.{Label})*|\[[^\]]*\])";

    [GeneratedRegex($"""\A(?<path><(?:(?:(?:@(?<route>{Domain}))(?:,@(?<route>{Domain}))*:)?(?<local>{Atom}(?:\.{Atom})*|"(?:[ !#-\[\]-~]|\\[ -~])+")@(?<domain>{Domain})|(?<local>[Pp][Oo][Ss][Tt][Mm][Aa][Ss][Tt][Ee][Rr]))>)(?:\z|[ ])""", RegexOptions.ExplicitCapture)]
    private static partial Regex PathForm();
}
