using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Smtp.Replies;

public class EnhancedCodeTests
{
    [Fact]
    public void Every_code_formats_parses_and_packs_to_itself()
    {
        Span<byte> text = stackalloc byte[EnhancedCode.TextLengthMax];
        foreach (var codeClass in new[] { 2, 4, 5 })
        {
            for (var subject = 0; subject <= 999; subject += 37)
            {
                for (var detail = 0; detail <= 999; detail += 9)
                {
                    var code = new EnhancedCode(codeClass, subject, detail);
                    Assert.True(code.TryFormat(text, out var length));
                    Assert.True(EnhancedCode.TryParse(text[..length], out var parsed, out var consumed));
                    Assert.Equal(code, parsed);
                    Assert.Equal(length, consumed);
                    Assert.Equal(code, EnhancedCode.FromPacked(code.Packed));
                    Assert.Equal((codeClass, subject, detail), (parsed.Class, parsed.Subject, parsed.Detail));
                    Assert.False(code.TryFormat(text[..(length - 1)], out var none));
                    Assert.Equal(0, none);
                }
            }
        }
    }

    [Fact]
    public void None_is_the_default_and_writes_nothing()
    {
        Assert.True(default(EnhancedCode).IsNone);
        Assert.True(default(EnhancedCode).TryFormat([], out var written));
        Assert.Equal(0, written);
        Assert.True(EnhancedCode.FromPacked(0).IsNone);
        Assert.True(EnhancedCode.FromPacked(uint.MaxValue).IsNone);
        Assert.True(EnhancedCode.FromPacked((3 << 20) | 1).IsNone);
        Assert.True(EnhancedCode.FromPacked((2 << 20) | 1023).IsNone);
        Assert.Equal("none", default(EnhancedCode).ToString());
        Assert.Equal("5.1.10", new EnhancedCode(5, 1, 10).ToString());
    }

    [Theory]
    [InlineData(3, 0, 0)]
    [InlineData(5, -1, 0)]
    [InlineData(5, 0, 1000)]
    public void Parts_out_of_range_are_refused(int codeClass, int subject, int detail)
        => Assert.Throws<ArgumentOutOfRangeException>(() => new EnhancedCode(codeClass, subject, detail));
}
