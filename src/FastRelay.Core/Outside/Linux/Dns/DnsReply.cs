using System.Buffers.Binary;
using DnsClient;
using DnsClient.Protocol;

namespace FastRelay.Outside.Linux;

/// <summary>
/// A reply, read by DnsClient's reader: the records of the answer that routing may ask for, and the SOA of the authority.
/// Others are passed over unread, so that one that nobody asked for cannot spoil it.
/// </summary>
/// <param name="Code">What the server says.</param>
/// <param name="Truncated">There is more over TCP.</param>
/// <param name="Answers">Of class IN.</param>
/// <param name="Soa">For negative answers (RFC 2308).</param>
internal sealed record DnsReply(DnsHeaderResponseCode Code, bool Truncated, IReadOnlyList<DnsResourceRecord> Answers, SoaRecord? Soa)
{
    /// <summary>Reads a reply that <see cref="DnsQuery.IsAnsweredBy"/> has let through.</summary>
    /// <param name="message">Exactly the message: names point into it by their distance from its start.</param>
    /// <exception cref="InvalidDataException">A record's data is not as long as it says.</exception>
    /// <exception cref="Exception">DnsClient throws many kinds for octets that make no sense.</exception>
    public static DnsReply Read(byte[] message)
    {
        var code = (DnsHeaderResponseCode)(message[3] & 0x0F);
        bool truncated = (message[2] & 2) != 0;
        var answers = new List<DnsResourceRecord>();
        SoaRecord? soa = null;
        if (truncated || code is not (DnsHeaderResponseCode.NoError or DnsHeaderResponseCode.NotExistentDomain))
        {
            // What was cut may end within a record, and an error needs none.
            return new DnsReply(code, truncated, answers, soa);
        }
        var reader = new DnsDatagramReader(new ArraySegment<byte>(message), 12);
        reader.ReadDnsName();
        reader.Advance(4);
        for (int left = BinaryPrimitives.ReadUInt16BigEndian(message.AsSpan(6)); left > 0; left--)
        {
            if (Record(reader) is { } record and not SoaRecord)
            {
                answers.Add(record);
            }
        }
        for (int left = BinaryPrimitives.ReadUInt16BigEndian(message.AsSpan(8)); left > 0; left--)
        {
            soa ??= Record(reader) as SoaRecord;
        }
        return new DnsReply(code, truncated, answers, soa);
    }

    private static DnsResourceRecord? Record(DnsDatagramReader reader)
    {
        DnsString name = reader.ReadDnsName();
        var type = (ResourceRecordType)reader.ReadUInt16NetworkOrder();
        var @class = (QueryClass)reader.ReadUInt16NetworkOrder();
        int ttl = unchecked((int)reader.ReadUInt32NetworkOrder());
        int length = reader.ReadUInt16NetworkOrder();
        int end = reader.Index + length;
        var info = new ResourceRecordInfo(name, type, @class, ttl, length);
        DnsResourceRecord? record = @class != QueryClass.IN ? null : type switch
        {
            ResourceRecordType.MX => new DnsClient.Protocol.MxRecord(info, reader.ReadUInt16NetworkOrder(), reader.ReadDnsName()),
            ResourceRecordType.A => new ARecord(info, reader.ReadIPAddress()),
            ResourceRecordType.AAAA => new AaaaRecord(info, reader.ReadIPv6Address()),
            ResourceRecordType.CNAME => new CNameRecord(info, reader.ReadDnsName()),
            ResourceRecordType.SOA => new SoaRecord(info, reader.ReadDnsName(), reader.ReadDnsName(), reader.ReadUInt32NetworkOrder(),
                reader.ReadUInt32NetworkOrder(), reader.ReadUInt32NetworkOrder(), reader.ReadUInt32NetworkOrder(), reader.ReadUInt32NetworkOrder()),
            _ => null,
        };
        if (record is null)
        {
            reader.Advance(length);
        }
        return reader.Index == end ? record : throw new InvalidDataException("a record's data is not as long as it says");
    }
}
