using System.Numerics;
using System.Runtime.InteropServices;

namespace FastRelay.Journal;

/// <summary>CRC-32C (Castagnoli, as in RFC 3720 appendix B.4), by the processor's instruction where it has one.</summary>
internal static class Crc32C
{
    /// <summary>The checksum of some bytes; of none it is 0.</summary>
    public static uint Of(ReadOnlySpan<byte> data) => Append(0, data);

    /// <summary>Goes on from the checksum of what came before: <c>Append(Of(a), b) == Of(a + b)</c>.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        uint state = ~crc;
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(data);
        foreach (ulong word in words)
        {
            state = BitOperations.Crc32C(state, word);
        }
        foreach (byte b in data[(words.Length * 8)..])
        {
            state = BitOperations.Crc32C(state, b);
        }
        return ~state;
    }

    /// <summary>Goes on with a number, as its eight bytes in little-endian order.</summary>
    public static uint Append(uint crc, ulong value) => ~BitOperations.Crc32C(~crc, value);
}
