using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace FastRelay.Outside.Linux;

/// <summary>
/// One question as octets, and which octets are a reply to it (RFC 1035 section 4, RFC 5452 section 9.1). DnsClient's own
/// writer is not public, and its client takes a reply from any address to any question with the right number.
/// </summary>
internal sealed class DnsQuery
{
    /// <summary>The largest reply that we ask for over UDP, bytes: more is cut into fragments on some paths (RFC 9715 section 3.2).</summary>
    public const int UdpBytes = 1_232;

    private const int HeaderBytes = 12;
    private const int NameMax = 255;
    private const int LabelMax = 63;

    private readonly byte[] _octets;
    private readonly int _questionEnd;

    private DnsQuery(byte[] octets, int questionEnd)
    {
        _octets = octets;
        _questionEnd = questionEnd;
    }

    /// <summary>The message to send.</summary>
    public ReadOnlyMemory<byte> Octets => _octets;

    /// <summary>A question with recursion wanted and EDNS(0); null where the name cannot be written.</summary>
    public static DnsQuery? Create(string name, DnsType type)
    {
        if (name.Length is 0 or > 253 || !Ascii.IsValid(name))
        {
            return null;
        }
        List<byte> octets = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        foreach (string label in name.Split('.'))
        {
            if (label.Length is 0 or > LabelMax)
            {
                return null;
            }
            octets.Add((byte)label.Length);
            octets.AddRange(Encoding.ASCII.GetBytes(label));
        }
        octets.AddRange([0, 0, type switch { DnsType.Mx => 15, DnsType.A => 1, _ => 28 }, 0, 1]);
        int questionEnd = octets.Count;
        // The OPT record (RFC 6891 6.1.2): root, type 41, our size, no extended code, version 0, no flags, no options.
        octets.AddRange([0, 0, 41, UdpBytes >> 8, UdpBytes & 0xFF, 0, 0, 0, 0, 0, 0]);
        Check.That(questionEnd <= HeaderBytes + NameMax + 4);
        return new DnsQuery([.. octets], questionEnd);
    }

    /// <summary>The same question without EDNS.</summary>
    public DnsQuery WithoutEdns()
    {
        byte[] octets = _octets[.._questionEnd];
        octets[11] = 0; // additional records
        return new DnsQuery(octets, _questionEnd);
    }

    /// <summary>Takes another number, by chance: each try has its own.</summary>
    public void Renew() => RandomNumberGenerator.Fill(_octets.AsSpan(0, 2));

    /// <summary>
    /// True for a reply with our number, name (in any case), type and class. An error may leave out the question, as servers
    /// do that cannot read it.
    /// </summary>
    public bool IsAnsweredBy(ReadOnlySpan<byte> message)
    {
        if (message.Length < HeaderBytes || !message[..2].SequenceEqual(_octets.AsSpan(0, 2)) || (message[2] & 0xF8) != 0x80)
        {
            // Another number, no response, or not to a standard query.
            return false;
        }
        int questions = BinaryPrimitives.ReadUInt16BigEndian(message[4..]);
        int code = message[3] & 0x0F;
        if (questions == 0)
        {
            return code is not (0 or 3);
        }
        ReadOnlySpan<byte> own = _octets.AsSpan(HeaderBytes.._questionEnd);
        ReadOnlySpan<byte> other = message[HeaderBytes..];
        return questions == 1
            && other.Length >= own.Length
            && Ascii.EqualsIgnoreCase(own[..^4], other[..(own.Length - 4)])
            && own[^4..].SequenceEqual(other[(own.Length - 4)..own.Length]);
    }
}
