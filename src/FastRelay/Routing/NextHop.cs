using System.Globalization;
using System.Net;

namespace FastRelay.Routing;

/// <summary>The way out that a route names.</summary>
public enum NextHopKind : byte
{
    /// <summary>The hosts that DNS names for the recipient's domain (RFC 5321 5.1).</summary>
    Mx,

    /// <summary>A host that the operator names.</summary>
    Smtp,

    /// <summary>Taken and thrown away; counted as delivered.</summary>
    Discard,

    /// <summary>Refused for good with the operator's text.</summary>
    Error,
}

/// <summary>Where mail goes: MX delivery, one host, nowhere, or back.</summary>
/// <param name="Kind">Which of these.</param>
/// <param name="Host">A lower-case name without the final dot, or an address in text; empty for MX, discard and error.</param>
/// <param name="Port">The remote port; 0 takes the configured default.</param>
/// <param name="LookupMx">True for <c>smtp:name</c>, whose MX hosts are asked for first; false for <c>smtp:[name]</c> and addresses.</param>
/// <param name="ErrorText">For <see cref="NextHopKind.Error"/>: an enhanced code of class 5 and a text, as in <c>5.1.2 no such system</c>.</param>
public readonly record struct NextHop(NextHopKind Kind, string Host, int Port, bool LookupMx, string ErrorText)
{
    /// <summary>MX delivery by the recipient's own domain.</summary>
    public static NextHop Mx => new(NextHopKind.Mx, "", 0, true, "");

    /// <summary>
    /// Reads <c>mx:</c>, <c>smtp:host</c>, <c>smtp:host:587</c>, <c>smtp:[host]:port</c>, <c>smtp:[127.0.0.1]:2600</c>,
    /// <c>smtp:[::1]:25</c>, <c>discard:</c> and <c>error:5.1.2 text</c>.
    /// </summary>
    /// <param name="text">The route's <c>to</c>.</param>
    /// <param name="hop">What it says.</param>
    /// <param name="error">What is wrong with it, and what would be right; empty when nothing is.</param>
    /// <returns>False with <paramref name="error"/> when it cannot be read.</returns>
    public static bool TryParse(string text, out NextHop hop, out string error)
    {
        hop = Mx;
        error = "";
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string scheme = colon < 0 ? text : text[..colon];
        string rest = colon < 0 ? "" : text[(colon + 1)..];
        switch (scheme)
        {
            case "mx":
                bool alone = Nothing(rest, scheme, out error);
                error = alone ? "" : $"{error}, which means the recipient's own domain: the MX hosts of another one are \"smtp:{rest}\"";
                return alone;
            case "discard":
                hop = new NextHop(NextHopKind.Discard, "", 0, false, "");
                return Nothing(rest, scheme, out error);
            case "error":
                return TryParseError(rest, out hop, out error);
            case "smtp":
                return TryParseSmtp(rest, out hop, out error);
            default:
                error = $"\"{text}\" is no next hop: write \"smtp:host:port\", \"smtp:[address]:port\", \"mx:\", \"discard:\" or \"error:5.1.2 text\"";
                return false;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => Kind switch
    {
        NextHopKind.Mx => "mx:",
        NextHopKind.Discard => "discard:",
        NextHopKind.Error => "error:" + ErrorText,
        _ => string.Create(CultureInfo.InvariantCulture, $"smtp:{(LookupMx ? Host : "[" + Host + "]")}{(Port == 0 ? "" : ":" + Port.ToString(CultureInfo.InvariantCulture))}"),
    };

    private static bool Nothing(string rest, string scheme, out string error)
    {
        error = rest.Length == 0 ? "" : $"nothing may follow \"{scheme}:\"";
        return rest.Length == 0;
    }

    private static bool TryParseError(string rest, out NextHop hop, out string error)
    {
        hop = new NextHop(NextHopKind.Error, "", 0, false, rest);
        error = "";
        ReadOnlySpan<char> code = rest;
        int space = code.IndexOf(' ');
        code = space < 0 ? code : code[..space];
        if (!IsPermanentCode(code))
        {
            error = "\"error:\" wants an enhanced code of class 5 and a text, as in \"error:5.1.2 no such system\"";
            return false;
        }
        if (rest.AsSpan().IndexOfAnyExceptInRange(' ', '~') >= 0)
        {
            error = "the text of \"error:\" must be printable ASCII";
            return false;
        }
        if (space < 0)
        {
            hop = hop with { ErrorText = rest + " refused by the operator's route" };
        }
        return true;
    }

    private static bool IsPermanentCode(ReadOnlySpan<char> code)
    {
        int parts = 0;
        foreach (Range part in code.Split('.'))
        {
            ReadOnlySpan<char> digits = code[part];
            if (digits.Length is 0 or > 3 || digits.IndexOfAnyExceptInRange('0', '9') >= 0 || (parts == 0 && digits is not "5"))
            {
                return false;
            }
            parts++;
        }
        return parts == 3;
    }

    private static bool TryParseSmtp(string rest, out NextHop hop, out string error)
    {
        hop = Mx;
        error = "";
        ReadOnlySpan<char> host = rest;
        ReadOnlySpan<char> port = default;
        bool bracketed = rest.StartsWith('[');
        if (bracketed)
        {
            int close = host.IndexOf(']');
            if (close < 0)
            {
                error = $"\"smtp:{rest}\": the bracket is not closed";
                return false;
            }
            ReadOnlySpan<char> after = host[(close + 1)..];
            host = host[1..close];
            if (after.Length > 0 && after[0] != ':')
            {
                error = $"\"smtp:{rest}\": after the bracket only \":port\" may stand";
                return false;
            }
            port = after.Length > 0 ? after[1..] : default;
            if (after.Length == 1)
            {
                error = $"\"smtp:{rest}\": the port is missing";
                return false;
            }
        }
        else
        {
            int colon = host.IndexOf(':');
            if (colon >= 0)
            {
                port = host[(colon + 1)..];
                host = host[..colon];
            }
        }
        int number = 0;
        if (port.Length > 0 && (!int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out number) || number is < 1 or > 65535))
        {
            error = $"\"smtp:{rest}\": the port must be 1 to 65535 (an IPv6 address stands in brackets)";
            return false;
        }
        return Finish(rest, host, number, bracketed, out hop, out error);
    }

    private static bool Finish(string rest, ReadOnlySpan<char> host, int port, bool bracketed, out NextHop hop, out string error)
    {
        hop = Mx;
        error = "";
        ReadOnlySpan<char> literal = host.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase) ? host[5..] : host;
        if (DomainNames.TryParseAddress(literal, out IPAddress? address))
        {
            hop = new NextHop(NextHopKind.Smtp, address.ToString(), port, false, "");
            return true;
        }
        string name = host.ToString().ToLowerInvariant().TrimEnd('.');
        if (!DomainNames.IsHostName(name))
        {
            error = $"\"smtp:{rest}\": \"{host}\" is neither a host name nor an address";
            return false;
        }
        hop = new NextHop(NextHopKind.Smtp, name, port, !bracketed, "");
        return true;
    }
}
