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
/// <param name="Knows">
/// What it does not say is not there: an SOA stands in the authority, or no name servers do and the server is the zone's or asks
/// others for us. RFC 2308 section 2.2: name servers without an SOA are a referral, and the answer is elsewhere.
/// </param>
internal sealed record DnsReply(DnsHeaderResponseCode Code, bool Truncated, IReadOnlyList<DnsResourceRecord> Answers, SoaRecord? Soa, bool Knows)
{
    private const int Authoritative = 0x04; // of the third octet
    private const int RecursionAvailable = 0x80; // of the fourth

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
            return new DnsReply(code, truncated, answers, soa, Knows: false);
        }
        var reader = new DnsDatagramReader(new ArraySegment<byte>(message), 12);
        reader.ReadDnsName();
        reader.Advance(4);
        for (int left = BinaryPrimitives.ReadUInt16BigEndian(message.AsSpan(6)); left > 0; left--)
        {
            if (Record(reader) is { } record and not (SoaRecord or NsRecord))
            {
                answers.Add(record);
            }
        }
        bool refers = false;
        for (int left = BinaryPrimitives.ReadUInt16BigEndian(message.AsSpan(8)); left > 0; left--)
        {
            DnsResourceRecord? record = Record(reader);
            soa ??= record as SoaRecord;
            refers |= record is NsRecord;
        }
        bool knows = soa is not null || (!refers && ((message[2] & Authoritative) != 0 || (message[3] & RecursionAvailable) != 0));
        return new DnsReply(code, truncated, answers, soa, knows);
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
            ResourceRecordType.NS => new NsRecord(info, reader.ReadDnsName()),
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
