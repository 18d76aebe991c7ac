using System.Buffers;

namespace FastRelay.Smtp;

/// <summary>Walks over <c>keyword[=value]</c> pairs separated by spaces (RFC 5321 4.1.2, esmtp-param).</summary>
/// <param name="rest">The text.</param>
/// <param name="utf8">Values may hold octets over 127 (RFC 6531 3.3, esmtp-value); that they are UTF-8 is asked of each value.</param>
internal ref struct ParameterReader(ReadOnlySpan<byte> rest, bool utf8 = false)
{
    private static readonly SearchValues<byte> EsmtpKeyword =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"u8);

    private ReadOnlySpan<byte> _rest = rest;

    /// <summary>Takes the next parameter. False at the end.</summary>
    /// <param name="keyword">As given; compare without regard to case.</param>
    /// <param name="value">Empty when there is none. A keyword with an equals sign and no value is malformed.</param>
    /// <param name="malformed">The octets are no esmtp-param; the walk cannot go on.</param>
    internal bool Next(out ReadOnlySpan<byte> keyword, out ReadOnlySpan<byte> value, out bool malformed)
    {
        keyword = default;
        value = default;
        malformed = false;
        _rest = _rest.TrimStart((byte)' ');
        if (_rest.IsEmpty)
        {
            return false;
        }

        var end = _rest.IndexOf((byte)' ');
        var word = end < 0 ? _rest : _rest[..end];
        _rest = end < 0 ? default : _rest[end..];
        var equals = word.IndexOf((byte)'=');
        keyword = equals < 0 ? word : word[..equals];
        value = equals < 0 ? default : word[(equals + 1)..];
        malformed = keyword.IsEmpty || keyword[0] == '-' || keyword.ContainsAnyExcept(EsmtpKeyword)
            || (equals >= 0 && (value.IsEmpty || value.Contains((byte)'=') || (utf8 ? value.ContainsAnyInRange((byte)0, (byte)32) || value.Contains((byte)127) : value.ContainsAnyExceptInRange((byte)33, (byte)126))));
        return true;
    }
}
