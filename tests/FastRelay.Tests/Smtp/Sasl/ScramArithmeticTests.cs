using System.Text;
using FastRelay.Smtp;

namespace FastRelay.Tests.Smtp.Sasl;

public class ScramArithmeticTests
{
    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("a,b=c", "a=2Cb=3Dc")]
    [InlineData(",=", "=2C=3D")]
    public void A_saslname_is_written_and_read_back(string name, string written)
    {
        Span<byte> into = stackalloc byte[64];
        Assert.True(Scram.TryEscape(Encoding.ASCII.GetBytes(name), into, out int length));
        Assert.Equal(written, Encoding.ASCII.GetString(into[..length]));
        Span<byte> back = stackalloc byte[64];
        Assert.True(Scram.TryUnescape(into[..length], back, out int plain));
        Assert.Equal(name, Encoding.ASCII.GetString(back[..plain]));
    }

    [Theory]
    [InlineData("a=2cb")]
    [InlineData("a=")]
    [InlineData("a=2")]
    [InlineData("a=41")]
    [InlineData("a\0b")]
    public void What_is_no_saslname_is_told(string written) =>
        Assert.False(Scram.TryUnescape(Encoding.ASCII.GetBytes(written), stackalloc byte[64], out _));

    [Fact]
    public void A_saslname_has_the_room_that_it_is_given()
    {
        Assert.True(Scram.TryEscape("a,b"u8, stackalloc byte[5], out _));
        Assert.False(Scram.TryEscape("a,b"u8, stackalloc byte[4], out _));
        Assert.True(Scram.TryUnescape("a=2Cb"u8, stackalloc byte[3], out _));
        Assert.False(Scram.TryUnescape("a=2Cb"u8, stackalloc byte[2], out _));
    }

    [Fact]
    public void Attributes_are_taken_in_their_order_and_by_their_letter()
    {
        ReadOnlySpan<byte> rest = "r=abc,s=,i=4096"u8;
        Assert.False(Scram.TryAttribute(ref rest, 's', out _));
        Assert.True(Scram.TryAttribute(ref rest, 'r', out ReadOnlySpan<byte> nonce) && nonce.SequenceEqual("abc"u8));
        Assert.True(Scram.TryAttribute(ref rest, 's', out ReadOnlySpan<byte> salt) && salt.IsEmpty);
        Assert.True(Scram.TryAttribute(ref rest, 'i', out ReadOnlySpan<byte> rounds) && rounds.SequenceEqual("4096"u8));
        Assert.False(Scram.TryAttribute(ref rest, 'i', out _));
    }

    [Theory]
    [InlineData(4_095, false)]
    [InlineData(4_096, true)]
    [InlineData(2_000_000, true)]
    [InlineData(2_000_001, false)]
    public void Rounds_are_neither_too_cheap_nor_too_dear(int rounds, bool good) => Assert.Equal(good, Scram.IsIterations(rounds));
}
