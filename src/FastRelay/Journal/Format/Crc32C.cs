using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace FastRelay.Journal;

/// <summary>CRC-32C (Castagnoli, as in RFC 3720 appendix B.4), by the processor's instruction where it has one.</summary>
/// <remarks>
/// x86's instruction takes a word each cycle but answers after three, so three runs of a block are taken at once and then
/// joined: a checksum is linear, and what it becomes past n octets of zero is a table look-up for each of its octets.
/// Asking the processor inside the loop, as <see cref="BitOperations"/> must, costs more than the instruction.
/// </remarks>
internal static class Crc32C
{
    // Of one run, in words; a message of 4 KiB is two blocks of three runs and a rest.
    private const int RunWords = 64;

    private static readonly uint[] s_pastOneRun = PastZeros(RunWords);
    private static readonly uint[] s_pastTwoRuns = PastZeros(2 * RunWords);

    /// <summary>The checksum of some bytes; of none it is 0.</summary>
    public static uint Of(ReadOnlySpan<byte> data) => Append(0, data);

    /// <summary>Goes on from the checksum of what came before: <c>Append(Of(a), b) == Of(a + b)</c>.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(data);
        uint state = Sse42.X64.IsSupported ? AppendThreefold(~crc, words) : AppendWords(~crc, words);
        foreach (byte b in data[(words.Length * 8)..])
        {
            state = BitOperations.Crc32C(state, b);
        }
        return ~state;
    }

    /// <summary>Goes on with a number, as its eight bytes in little-endian order.</summary>
    public static uint Append(uint crc, ulong value) => ~BitOperations.Crc32C(~crc, value);

    private static uint AppendThreefold(uint state, ReadOnlySpan<ulong> words)
    {
        ulong first = state;
        while (words.Length >= 3 * RunWords)
        {
            ReadOnlySpan<ulong> a = words[..RunWords];
            ReadOnlySpan<ulong> b = words.Slice(RunWords, RunWords);
            ReadOnlySpan<ulong> c = words.Slice(2 * RunWords, RunWords);
            ulong second = 0;
            ulong third = 0;
            for (int i = 0; i < a.Length; i++)
            {
                first = Sse42.X64.Crc32(first, a[i]);
                second = Sse42.X64.Crc32(second, b[i]);
                third = Sse42.X64.Crc32(third, c[i]);
            }
            first = Past(s_pastTwoRuns, (uint)first) ^ Past(s_pastOneRun, (uint)second) ^ (uint)third;
            words = words[(3 * RunWords)..];
        }
        foreach (ulong word in words)
        {
            first = Sse42.X64.Crc32(first, word);
        }
        return (uint)first;
    }

    private static uint AppendWords(uint state, ReadOnlySpan<ulong> words)
    {
        foreach (ulong word in words)
        {
            state = BitOperations.Crc32C(state, word);
        }
        return state;
    }

    private static uint Past(uint[] table, uint state) =>
        table[(byte)state] ^ table[256 + (byte)(state >> 8)] ^ table[512 + (byte)(state >> 16)] ^ table[768 + (state >> 24)];

    /// <summary>What each value of each octet of a state becomes past some words of zero.</summary>
    private static uint[] PastZeros(int words)
    {
        var table = new uint[4 * 256];
        for (int bit = 0; bit < 32; bit++)
        {
            uint state = 1u << bit;
            for (int i = 0; i < words; i++)
            {
                state = BitOperations.Crc32C(state, 0UL);
            }
            // The bits below this one are filled in: add it to each of their sums.
            Span<uint> octet = table.AsSpan(256 * (bit / 8), 256);
            int alone = 1 << (bit % 8);
            for (int below = 0; below < alone; below++)
            {
                octet[alone + below] = state ^ octet[below];
            }
        }
        return table;
    }
}
