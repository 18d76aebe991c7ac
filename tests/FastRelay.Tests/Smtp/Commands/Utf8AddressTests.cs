using System.Text;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Smtp.Commands;

/// <summary>The forms of addresses that are not ASCII (RFC 6533 3).</summary>
public sealed class Utf8AddressTests
{
    [Theory]
    [InlineData("user@far.example", "user@far.example")]
    [InlineData("\u03B4@far.example", @"\x{3B4}@far.example")]
    [InlineData("\u7528\u6237@far.example", @"\x{7528}\x{6237}@far.example")]
    [InlineData("\U0001F4E7@far.example", @"\x{1F4E7}@far.example")]
    [InlineData("\U00100000@far.example", @"\x{100000}@far.example")]
    [InlineData("\u00FC+a=b\\c@far.example", @"\x{FC}\x{2B}a\x{3D}b\x{5C}c@far.example")]
    [InlineData("\"a b\"@far.example", "\"a\\x{20}b\"@far.example")]
    public void The_form_of_seven_bits_stands_for_the_address(string address, string encoded)
    {
        Assert.Equal(encoded, Encode(Encoding.UTF8.GetBytes(address)));
        Assert.Equal(address, Decode(encoded));
    }

    [Theory]
    [InlineData(@"\x{A}x", @"\x{A}x")]
    [InlineData(@"\x{0D}\x{0A}x", @"\x{0D}\x{0A}x")]
    [InlineData(@"\x{7F}\x{85}", @"\x{7F}\x{85}")]
    [InlineData(@"\x{D800}\x{110000}", @"\x{D800}\x{110000}")]
    [InlineData(@"\x{3b4}\x{}\x{3B4\y{41}\", @"\x{3b4}\x{}\x{3B4\y{41}\")]
    [InlineData(@"\x{00000041}", @"\x{00000041}")]
    [InlineData(@"\x{41}+41", "A+41")]
    public void An_escape_that_is_none_or_would_end_a_line_stays_as_it_is(string text, string decoded) => Assert.Equal(decoded, Decode(text));

    [Theory]
    [InlineData("\u03B4\\x{2B}tag@far.example", @"\x{3B4}\x{2B}tag@far.example")]
    [InlineData("user@far.example", "user@far.example")]
    public void Escapes_stay_when_the_rest_is_made_seven_bits(string unitext, string expected)
    {
        Span<byte> into = stackalloc byte[200];
        Assert.Equal(expected, Encoding.ASCII.GetString(into[..Utf8Address.ToSevenBit(Encoding.UTF8.GetBytes(unitext), into)]));
    }

    [Fact]
    public void What_does_not_fit_is_left_out_by_whole_characters()
    {
        byte[] address = Encoding.UTF8.GetBytes(new string('\u03B4', 300));
        for (int room = 0; room < 60; room++)
        {
            byte[] into = new byte[room];
            int length = Utf8Address.Encode(address, into);
            Assert.Equal(0, length % 7);
            Assert.InRange(length, Math.Max(0, room - 16), room);
        }
    }

    [Fact]
    public void Octets_that_are_no_UTF8_become_question_marks_and_any_octets_end_as_printable_ASCII()
    {
        Assert.Equal("a\\x{FC}???@x", Encode([(byte)'a', 0xC3, 0xBC, 0xFF, 0xC3, 0x80 | 0x40, (byte)'@', (byte)'x']));
        var random = new Random(3);
        byte[] noise = new byte[64];
        for (int i = 0; i < 2_000; i++)
        {
            random.NextBytes(noise);
            Assert.Equal(-1, Encoding.UTF8.GetBytes(Encode(noise)).AsSpan().IndexOfAnyExceptInRange((byte)33, (byte)126));
        }
    }

    [Theory]
    [InlineData("utf-8;x", true)]
    [InlineData("UTF-8;x", true)]
    [InlineData("rfc822;x", false)]
    [InlineData("utf-8", false)]
    [InlineData("", false)]
    public void The_type_is_told_in_any_case(string originalRecipient, bool isSo) => Assert.Equal(isSo, Utf8Address.IsTypeOf(Encoding.ASCII.GetBytes(originalRecipient)));

    private static string Encode(ReadOnlySpan<byte> address)
    {
        Span<byte> into = stackalloc byte[1_000];
        return Encoding.ASCII.GetString(into[..Utf8Address.Encode(address, into)]);
    }

    private static string Decode(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        byte[] into = new byte[bytes.Length];
        return Encoding.UTF8.GetString(into, 0, Utf8Address.Decode(bytes, into));
    }
}
