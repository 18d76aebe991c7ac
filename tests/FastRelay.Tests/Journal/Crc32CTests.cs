using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

/// <summary>The checksum against RFC 3720 appendix B.4, and against the bit by bit definition at every length.</summary>
public sealed class Crc32CTests
{
    [Fact]
    public void Rfc3720_vectors()
    {
        var ascending = new byte[32];
        var descending = new byte[32];
        for (int i = 0; i < 32; i++)
        {
            ascending[i] = (byte)i;
            descending[i] = (byte)(31 - i);
        }
        Assert.Equal(0x8A9136AAu, Crc32C.Of(new byte[32]));
        Assert.Equal(0x62A8AB43u, Crc32C.Of(Enumerable.Repeat((byte)0xFF, 32).ToArray()));
        Assert.Equal(0x46DD794Eu, Crc32C.Of(ascending));
        Assert.Equal(0x113FDB5Cu, Crc32C.Of(descending));
        Assert.Equal(0xE3069283u, Crc32C.Of("123456789"u8));
        Assert.Equal(0u, Crc32C.Of([]));
    }

    [Fact]
    public void Every_length_and_every_start_is_what_the_definition_says()
    {
        // Past 3,072 octets two joined blocks lie behind each other; odd starts make unaligned words.
        var data = new byte[3400];
        new Random(3).NextBytes(data);
        for (int start = 0; start < 3; start++)
        {
            uint slow = ~0u;
            for (int length = 0; start + length <= data.Length; length++)
            {
                Assert.Equal(~slow, Crc32C.Of(data.AsSpan(start, length)));
                if (start + length < data.Length)
                {
                    slow = Step(slow, data[start + length]);
                }
            }
        }
    }

    [Fact]
    public void Goes_on_from_any_place()
    {
        var data = new byte[5000];
        new Random(4).NextBytes(data);
        uint whole = Crc32C.Of(data);
        for (int cut = 0; cut <= data.Length; cut += 7)
        {
            Assert.Equal(whole, Crc32C.Append(Crc32C.Of(data.AsSpan(0, cut)), data.AsSpan(cut)));
        }
    }

    private static uint Step(uint state, byte b)
    {
        state ^= b;
        for (int i = 0; i < 8; i++)
        {
            state = (state >> 1) ^ ((state & 1) != 0 ? 0x82F63B78u : 0);
        }
        return state;
    }
}
