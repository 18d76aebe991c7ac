using System.Buffers.Binary;
using System.Numerics;

namespace FastRelay.Load;

/// <summary>
/// CRC-32C (RFC 3720 12.1) and length of content that is read in its wire form: the dots that stuffing put in
/// (RFC 5321 4.5.2) and the final dot line do not count, so the sum holds whatever relays stuff and unstuff on the way.
/// The relay under test has a CRC of its own; this one shares no line with it.
/// </summary>
public struct ContentSum
{
    private const byte Cr = (byte)'\r';
    private const byte Lf = (byte)'\n';
    private const byte Dot = (byte)'.';

    // Kept complemented, so that the default value is a fresh start.
    private uint _notCrc;
    private State _state;

    private enum State : byte
    {
        LineStart,
        DotSeen,
        DotCr,
        MidLine,
        CrSeen,
        Ended,
    }

    /// <summary>The sum so far.</summary>
    public readonly uint Crc => _notCrc;

    /// <summary>Octets of content so far.</summary>
    public long Length { get; private set; }

    /// <summary>Takes the next octets, cut anywhere; what follows the final dot line is not looked at.</summary>
    public void Add(ReadOnlySpan<byte> wire)
    {
        while (!wire.IsEmpty)
        {
            switch (_state)
            {
                case State.LineStart when wire[0] == Dot:
                    _state = State.DotSeen;
                    wire = wire[1..];
                    break;
                case State.DotSeen when wire[0] == Cr:
                    _state = State.DotCr;
                    wire = wire[1..];
                    break;
                case State.DotCr when wire[0] == Lf:
                    _state = State.Ended;
                    return;
                case State.DotCr:
                    // The dot was stuffing before a line that begins with a bare CR.
                    Sum("\r"u8);
                    _state = State.CrSeen;
                    break;
                case State.CrSeen when wire[0] == Lf:
                    Sum(wire[..1]);
                    _state = State.LineStart;
                    wire = wire[1..];
                    break;
                case State.Ended:
                    return;
                default:
                    wire = wire[Line(wire)..];
                    break;
            }
        }
    }

    /// <summary>Takes the next octets of content that has no stuffing and no final dot: a chunk's (RFC 3030 2).</summary>
    public void AddPlain(ReadOnlySpan<byte> content) => Sum(content);

    // Through the CRLF before the next line that begins with a dot, or through all of it.
    private int Line(ReadOnlySpan<byte> wire)
    {
        int found = wire.IndexOf("\r\n."u8);
        int length = found < 0 ? wire.Length : found + 2;
        Sum(wire[..length]);
        _state = wire[..length].EndsWith("\r\n"u8) ? State.LineStart : wire[length - 1] == Cr ? State.CrSeen : State.MidLine;
        return length;
    }

    private void Sum(ReadOnlySpan<byte> octets)
    {
        Length += octets.Length;
        uint crc = ~_notCrc;
        while (octets.Length >= 8)
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(octets));
            octets = octets[8..];
        }
        foreach (byte octet in octets)
        {
            crc = BitOperations.Crc32C(crc, octet);
        }
        _notCrc = ~crc;
    }
}
