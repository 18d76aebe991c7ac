using System.Buffers;
using System.Net;
using System.Text;

namespace FastRelay.Smtp;

/// <summary>Domain names as SMTP writes them (RFC 5321 4.1.2, 4.5.3.1.2). Syntax only; A-label conversion and DNS are elsewhere.</summary>
public static class DomainName
{
    /// <summary>Most octets of a domain (RFC 5321 4.5.3.1.2).</summary>
    public const int LengthMax = 255;

    /// <summary>Most octets of a label (RFC 1035 2.3.4).</summary>
    public const int LabelLengthMax = 63;

    // The underscore is in no RFC 5321 grammar, but DNS carries it and hosts with such names send and receive mail.
    private static readonly SearchValues<byte> LetDigHypUnderscore =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"u8);

    /// <summary>True for labels of letters, digits, hyphens and underscores, 1 to 63 octets, no hyphen at either end, at most 255 octets, no trailing dot.</summary>
    public static bool IsValid(ReadOnlySpan<byte> name) => IsValid(name, utf8: false);

    /// <summary>As <see cref="IsValid(ReadOnlySpan{byte})"/>; with <paramref name="utf8"/> also valid non-ASCII UTF-8 in labels (RFC 6531 3.3, U-label unchecked against IDNA).</summary>
    public static bool IsValid(ReadOnlySpan<byte> name, bool utf8)
    {
        if (name.IsEmpty || name.Length > LengthMax)
        {
            return false;
        }

        while (true)
        {
            var dot = name.IndexOf((byte)'.');
            var label = dot < 0 ? name : name[..dot];
            if (!IsLabel(label, utf8))
            {
                return false;
            }

            if (dot < 0)
            {
                return true;
            }

            name = name[(dot + 1)..];
        }
    }

    /// <summary>Copies a name with ASCII letters in lower case; other octets stay as they are.</summary>
    /// <returns>Octets written, always <c>name.Length</c>.</returns>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is shorter than <paramref name="name"/>.</exception>
    public static int ToLowerAscii(ReadOnlySpan<byte> name, Span<byte> destination)
    {
        if (destination.Length < name.Length)
        {
            throw new ArgumentException("Shorter than the name.", nameof(destination));
        }

        if (Ascii.ToLower(name, destination, out var written) == OperationStatus.Done)
        {
            return written;
        }

        for (var i = 0; i < name.Length; i++)
        {
            destination[i] = AsciiWord.Lower(name[i]);
        }

        return name.Length;
    }

    /// <summary>Parses <c>[192.0.2.1]</c> or <c>[IPv6:2001:db8::1]</c> (RFC 5321 4.1.3), brackets included. Other tags are refused. Allocates the result.</summary>
    public static bool TryParseAddressLiteral(ReadOnlySpan<byte> literal, out IPAddress address)
    {
        Span<byte> octets = stackalloc byte[AddressLiteral.OctetsMax];
        if (!AddressLiteral.TryParse(literal, octets, out var length))
        {
            address = IPAddress.None;
            return false;
        }

        address = new IPAddress(octets[..length]);
        return true;
    }

    /// <summary>True for what EHLO and HELO may name: a domain or an address literal (RFC 5321 4.1.1.1). Otherwise 501 5.5.4.</summary>
    public static bool IsEhloArgument(ReadOnlySpan<byte> argument)
        => !argument.IsEmpty && (argument[0] == '[' ? AddressLiteral.IsValid(argument) : IsValid(argument));

    private static bool IsLabel(ReadOnlySpan<byte> label, bool utf8)
    {
        if (label.IsEmpty || label.Length > LabelLengthMax || label[0] == '-' || label[^1] == '-')
        {
            return false;
        }

        var odd = label.IndexOfAnyExcept(LetDigHypUnderscore);
        if (odd < 0)
        {
            return true;
        }

        if (!utf8)
        {
            return false;
        }

        for (; odd < label.Length; odd++)
        {
            if (label[odd] < 0x80 && !LetDigHypUnderscore.Contains(label[odd]))
            {
                return false;
            }
        }

        return Utf8Text.IsCleanUtf8(label);
    }
}
