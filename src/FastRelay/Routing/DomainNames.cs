using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;

namespace FastRelay.Routing;

/// <summary>Names as routing compares them: lower-case ASCII without the final dot.</summary>
public static class DomainNames
{
    /// <summary>Characters of the longest domain (RFC 5321 4.5.3.1.2).</summary>
    public const int MaxLength = 255;

    private static readonly SearchValues<char> s_address = SearchValues.Create("0123456789abcdefABCDEF.:");

    /// <summary>
    /// Writes the domain of a mailbox in lower case: what follows the last <c>@</c>. Without one it is empty.
    /// </summary>
    /// <param name="mailbox">As in an envelope.</param>
    /// <param name="into">At least <see cref="MaxLength"/> characters.</param>
    /// <returns>Characters written; -1 when the domain is too long or not ASCII.</returns>
    public static int DomainOf(ReadOnlySpan<byte> mailbox, Span<char> into)
    {
        int at = mailbox.LastIndexOf((byte)'@');
        if (at < 0)
        {
            return 0;
        }
        ReadOnlySpan<byte> domain = mailbox[(at + 1)..];
        if (domain.Length > 0 && domain[^1] == '.')
        {
            domain = domain[..^1];
        }
        if (domain.Length > MaxLength)
        {
            return -1;
        }
        for (int i = 0; i < domain.Length; i++)
        {
            byte b = domain[i];
            if (b >= 0x80)
            {
                return -1;
            }
            into[i] = (char)(b - 'A' <= 'Z' - 'A' && b >= 'A' ? b | 0x20 : b);
        }
        return domain.Length;
    }

    /// <summary>True when a name is a domain or below it.</summary>
    public static bool IsWithin(ReadOnlySpan<char> name, ReadOnlySpan<char> domain) =>
        name.EndsWith(domain, StringComparison.Ordinal) && (name.Length == domain.Length || name[name.Length - domain.Length - 1] == '.');

    /// <summary>
    /// True for a name that may be asked of DNS: labels of 1 to 63 letters, digits, hyphens and underscores (which some
    /// hosts have, against RFC 952), 253 characters in all.
    /// </summary>
    public static bool IsHostName(ReadOnlySpan<char> name)
    {
        if (name.Length is 0 or > 253)
        {
            return false;
        }
        foreach (Range range in name.Split('.'))
        {
            ReadOnlySpan<char> label = name[range];
            if (label.Length is 0 or > 63)
            {
                return false;
            }
            foreach (char c in label)
            {
                if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_'))
                {
                    return false;
                }
            }
        }
        return true;
    }

    /// <summary>Reads a dotted quad or an IPv6 address; the odd forms that parsers accept elsewhere (<c>127.1</c>, <c>0x7f000001</c>, zones) are no addresses.</summary>
    public static bool TryParseAddress(ReadOnlySpan<char> text, [NotNullWhen(true)] out IPAddress? address)
    {
        address = null;
        if (text.IndexOf(':') < 0 && text.Count('.') != 3)
        {
            return false;
        }
        if (text.ContainsAnyExcept(s_address) || !IPAddress.TryParse(text, out IPAddress? parsed))
        {
            return false;
        }
        if (parsed.AddressFamily == AddressFamily.InterNetwork && !IsDottedQuad(text))
        {
            return false;
        }
        address = parsed;
        return true;
    }

    /// <summary>Reads the address of a domain literal, <c>[1.2.3.4]</c> or <c>[IPv6:::1]</c> (RFC 5321 4.1.3).</summary>
    public static bool TryParseLiteral(ReadOnlySpan<char> domain, [NotNullWhen(true)] out IPAddress? address)
    {
        address = null;
        if (domain.Length < 3 || domain[0] != '[' || domain[^1] != ']')
        {
            return false;
        }
        ReadOnlySpan<char> inner = domain[1..^1];
        bool six = inner.StartsWith("ipv6:", StringComparison.OrdinalIgnoreCase);
        if (TryParseAddress(six ? inner[5..] : inner, out IPAddress? parsed)
            && parsed.AddressFamily == (six ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork))
        {
            address = parsed;
            return true;
        }
        return false;
    }

    private static bool IsDottedQuad(ReadOnlySpan<char> text)
    {
        foreach (Range range in text.Split('.'))
        {
            ReadOnlySpan<char> part = text[range];
            // A leading zero means octal to some readers: refused, so that nobody is sent elsewhere than was meant.
            if (part.Length is 0 or > 3 || (part.Length > 1 && part[0] == '0') || part.IndexOfAnyExceptInRange('0', '9') >= 0)
            {
                return false;
            }
        }
        return true;
    }
}
