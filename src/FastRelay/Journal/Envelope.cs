using System.Buffers.Binary;

namespace FastRelay.Journal;

/// <summary>Facts of a message beyond its paths.</summary>
[Flags]
public enum EnvelopeFlags : byte
{
    /// <summary>Plain 7-bit mail.</summary>
    None = 0,

    /// <summary>BODY=8BITMIME was declared or 8-bit octets were seen (RFC 6152).</summary>
    EightBit = 1,

    /// <summary>SMTPUTF8 was declared (RFC 6531).</summary>
    SmtpUtf8 = 2,

    /// <summary>A notification of our own, with a null reverse-path.</summary>
    Bounce = 4,
}

/// <summary>One recipient of an envelope.</summary>
public readonly ref struct EnvelopeRecipient
{
    internal EnvelopeRecipient(int index, ReadOnlySpan<byte> mailbox)
    {
        Index = index;
        Mailbox = mailbox;
    }

    /// <summary>Place in the envelope, 0 first: the number by which outcomes name it.</summary>
    public int Index { get; }

    /// <summary>The forward-path's mailbox as received, without angle brackets.</summary>
    public ReadOnlySpan<byte> Mailbox { get; }

    /// <summary>For <c>foreach (var (index, mailbox) in envelope)</c>.</summary>
    public void Deconstruct(out int index, out ReadOnlySpan<byte> mailbox)
    {
        index = Index;
        mailbox = Mailbox;
    }
}

/// <summary>
/// Reads an envelope in its stored form: from a builder, from staging or from a mapped segment. It owns nothing; the
/// bytes beneath must stay (keep the body reader open). Layout: docs/JOURNAL_FORMAT.md, "Envelope".
/// </summary>
public readonly ref struct Envelope
{
    /// <summary>Octets before the paths.</summary>
    internal const int HeaderBytes = 24;

    private readonly ReadOnlySpan<byte> _bytes;

    /// <summary>Reads the stored form, which must be whole (<see cref="IsWellFormed"/>).</summary>
    public Envelope(ReadOnlySpan<byte> encoded) => _bytes = encoded;

    /// <summary>The stored form.</summary>
    public ReadOnlySpan<byte> Encoded => _bytes;

    /// <summary>8-bit, SMTPUTF8, own notification.</summary>
    public EnvelopeFlags Flags => (EnvelopeFlags)_bytes[2];

    /// <summary>Recipients, settled ones too.</summary>
    public int RecipientCount => BinaryPrimitives.ReadInt32LittleEndian(_bytes[4..]);

    /// <summary>When the message was committed, Unix ms; 0 before.</summary>
    public long ArrivalUnixMs => BinaryPrimitives.ReadInt64LittleEndian(_bytes[8..]);

    /// <summary>The reverse-path's mailbox without angle brackets; empty for the null path.</summary>
    public ReadOnlySpan<byte> ReversePath => _bytes.Slice(Header, Length(16));

    /// <summary>Where it came from, as text: <c>192.0.2.1:4711</c>, or <c>[bounce]</c>.</summary>
    public ReadOnlySpan<byte> Peer => _bytes.Slice(Header + Length(16), Length(18));

    /// <summary>What the peer said in EHLO or HELO; may be empty.</summary>
    public ReadOnlySpan<byte> Helo => _bytes.Slice(Header + Length(16) + Length(18), Length(20));

    private int Header => BinaryPrimitives.ReadUInt16LittleEndian(_bytes);

    private int FirstRecipient => Header + Length(16) + Length(18) + Length(20);

    /// <summary>All recipients in order.</summary>
    public RecipientEnumerator GetEnumerator() => new(_bytes[FirstRecipient..], RecipientCount);

    /// <summary>The mailbox of one recipient; walks the list, so enumerate when more than one is wanted.</summary>
    public ReadOnlySpan<byte> Recipient(int index)
    {
        foreach (EnvelopeRecipient recipient in this)
        {
            if (recipient.Index == index)
            {
                return recipient.Mailbox;
            }
        }
        Check.That(false, "recipient index out of range");
        return default;
    }

    /// <summary>True when bytes hold a whole envelope: recovery asks before it trusts.</summary>
    public static bool IsWellFormed(ReadOnlySpan<byte> encoded)
    {
        if (encoded.Length < HeaderBytes || BinaryPrimitives.ReadUInt16LittleEndian(encoded) < HeaderBytes)
        {
            return false;
        }
        var envelope = new Envelope(encoded);
        int count = envelope.RecipientCount;
        int at = envelope.FirstRecipient;
        for (int i = 0; i < count; i++)
        {
            if (at + 2 > encoded.Length)
            {
                return false;
            }
            at += 2 + BinaryPrimitives.ReadUInt16LittleEndian(encoded[at..]);
        }
        return count > 0 && at == encoded.Length;
    }

    private int Length(int at) => BinaryPrimitives.ReadUInt16LittleEndian(_bytes[at..]);

    /// <summary>Walks the recipients of an <see cref="Envelope"/>.</summary>
    public ref struct RecipientEnumerator
    {
        private readonly int _count;
        private ReadOnlySpan<byte> _rest;
        private int _index;

        internal RecipientEnumerator(ReadOnlySpan<byte> recipients, int count)
        {
            _rest = recipients;
            _count = count;
            _index = -1;
        }

        /// <summary>The recipient at hand.</summary>
        public EnvelopeRecipient Current { get; private set; }

        /// <summary>Goes to the next one.</summary>
        public bool MoveNext()
        {
            if (++_index >= _count)
            {
                return false;
            }
            int length = BinaryPrimitives.ReadUInt16LittleEndian(_rest);
            Current = new EnvelopeRecipient(_index, _rest.Slice(2, length));
            _rest = _rest[(2 + length)..];
            return true;
        }
    }
}
