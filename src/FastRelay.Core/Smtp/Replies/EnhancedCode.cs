using System.Globalization;

namespace FastRelay.Smtp;

/// <summary>An enhanced mail system status code such as 5.1.1 (RFC 3463). The default value is "none".</summary>
public readonly struct EnhancedCode : IEquatable<EnhancedCode>
{
    /// <summary>Most octets of the text form: 5.999.999.</summary>
    public const int TextLengthMax = 9;

    private const int PartMax = 999;
    private readonly uint _packed;

    private EnhancedCode(uint packed) => _packed = packed;

    /// <summary>Makes a code.</summary>
    /// <param name="codeClass">2 success, 4 transient, 5 permanent.</param>
    /// <param name="subject">0 to 999.</param>
    /// <param name="detail">0 to 999.</param>
    /// <exception cref="ArgumentOutOfRangeException">A part is outside its range.</exception>
    public EnhancedCode(int codeClass, int subject, int detail)
    {
        if (codeClass is not (2 or 4 or 5))
        {
            throw new ArgumentOutOfRangeException(nameof(codeClass));
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)subject, (uint)PartMax, nameof(subject));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)detail, (uint)PartMax, nameof(detail));
        _packed = ((uint)codeClass << 20) | ((uint)subject << 10) | (uint)detail;
    }

    /// <summary>2, 4 or 5; 0 when there is no code.</summary>
    public int Class => (int)(_packed >> 20);

    /// <summary>What it is about: 1 address, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 security.</summary>
    public int Subject => (int)(_packed >> 10) & 0x3FF;

    /// <summary>The detail within the subject.</summary>
    public int Detail => (int)_packed & 0x3FF;

    /// <summary>True for the default value.</summary>
    public bool IsNone => _packed == 0;

    /// <summary>The code as one number for storing: bits 20 and up class, 10 to 19 subject, 0 to 9 detail; 0 is none.</summary>
    public uint Packed => _packed;

    /// <summary>Undoes <see cref="Packed"/>. A number that no code packs to gives none.</summary>
    public static EnhancedCode FromPacked(uint packed)
        => (packed >> 20) is 2 or 4 or 5 && ((packed >> 10) & 0x3FF) <= PartMax && (packed & 0x3FF) <= PartMax
            ? new EnhancedCode(packed)
            : default;

    /// <summary>Reads the code at the front of a reply text (RFC 2034 4): class "." subject "." detail, then a space or the end.</summary>
    /// <param name="text">Reply text without the three digits and their separator.</param>
    /// <param name="code">The code; none when false.</param>
    /// <param name="consumed">Octets of the code without what follows.</param>
    public static bool TryParse(ReadOnlySpan<byte> text, out EnhancedCode code, out int consumed)
    {
        code = default;
        consumed = 0;
        if (text.Length < 5 || text[0] is not ((byte)'2' or (byte)'4' or (byte)'5') || text[1] != '.')
        {
            return false;
        }

        var at = 2;
        if (!TryParsePart(text, ref at, out var subject) || at >= text.Length || text[at] != '.')
        {
            return false;
        }

        at++;
        if (!TryParsePart(text, ref at, out var detail) || (at < text.Length && text[at] is not ((byte)' ' or (byte)'\t')))
        {
            return false;
        }

        code = new EnhancedCode(text[0] - '0', subject, detail);
        consumed = at;
        return true;
    }

    /// <summary>Writes the text form. Writes nothing for none.</summary>
    /// <returns>False when <paramref name="destination"/> is too short; 9 octets always do.</returns>
    public bool TryFormat(Span<byte> destination, out int written)
    {
        written = 0;
        if (IsNone)
        {
            return true;
        }

        if (destination.Length < 2)
        {
            return false;
        }

        destination[0] = (byte)('0' + Class);
        destination[1] = (byte)'.';
        if (!Subject.TryFormat(destination[2..], out var subjectLength, default, CultureInfo.InvariantCulture) || destination.Length < 3 + subjectLength)
        {
            return false;
        }

        destination[2 + subjectLength] = (byte)'.';
        if (!Detail.TryFormat(destination[(3 + subjectLength)..], out var detailLength, default, CultureInfo.InvariantCulture))
        {
            return false;
        }

        written = 3 + subjectLength + detailLength;
        return true;
    }

    /// <inheritdoc/>
    public bool Equals(EnhancedCode other) => _packed == other._packed;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is EnhancedCode other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => (int)_packed;

    /// <summary>The text form for logs and tests; "none" without a code. Allocates.</summary>
    public override string ToString()
        => IsNone ? "none" : string.Create(CultureInfo.InvariantCulture, $"{Class}.{Subject}.{Detail}");

    /// <summary>True when both are the same code.</summary>
    public static bool operator ==(EnhancedCode left, EnhancedCode right) => left.Equals(right);

    /// <summary>True when the codes differ.</summary>
    public static bool operator !=(EnhancedCode left, EnhancedCode right) => !left.Equals(right);

    private static bool TryParsePart(ReadOnlySpan<byte> text, ref int at, out int value)
    {
        value = 0;
        var start = at;
        while (at < text.Length && at - start < 3 && char.IsAsciiDigit((char)text[at]))
        {
            value = (value * 10) + text[at++] - '0';
        }

        return at > start;
    }
}
