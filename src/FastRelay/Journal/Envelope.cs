using System.Buffers.Binary;
using FastRelay.Config;

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
    private readonly ReadOnlySpan<byte> _options;

    internal EnvelopeRecipient(int index, ReadOnlySpan<byte> mailbox, ReadOnlySpan<byte> options)
    {
        Index = index;
        Mailbox = mailbox;
        _options = options;
    }

    /// <summary>Place in the envelope, 0 first: the number by which outcomes name it.</summary>
    public int Index { get; }

    /// <summary>The forward-path's mailbox as received, without angle brackets.</summary>
    public ReadOnlySpan<byte> Mailbox { get; }

    /// <summary>The NOTIFY of RCPT (RFC 3461 4.1) as bits: 1 never, 2 success, 4 failure, 8 delay; 0 when it was not given.</summary>
    public byte Notify => _options.IsEmpty ? (byte)0 : _options[0];

    /// <summary>The ORCPT of RCPT (RFC 3461 4.2) as given; empty when it was not.</summary>
    public ReadOnlySpan<byte> OriginalRecipient => _options.IsEmpty ? default : _options[1..];

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

    /// <summary>Octets that a tenant of <see cref="Limits.TenantBytes"/> adds to them: its length and its name.</summary>
    internal const int TenantRoom = 1 + Limits.TenantBytes;

    /// <summary>A recipient whose length has this bit is followed by options.</summary>
    internal const int HasOptions = 0x8000;

    /// <summary>Most octets of a mailbox.</summary>
    internal const int MailboxMax = HasOptions - 1;

    /// <summary>The bits of the flags that are the priority, from <see cref="PriorityShift"/> on.</summary>
    internal const int PriorityBits = 0x30;

    internal const int PriorityShift = 4;

    private readonly ReadOnlySpan<byte> _bytes;

    /// <summary>Reads the stored form, which must be whole (<see cref="IsWellFormed"/>).</summary>
    public Envelope(ReadOnlySpan<byte> encoded) => _bytes = encoded;

    /// <summary>The stored form.</summary>
    public ReadOnlySpan<byte> Encoded => _bytes;

    /// <summary>8-bit, SMTPUTF8, own notification.</summary>
    public EnvelopeFlags Flags => (EnvelopeFlags)(_bytes[2] & ~PriorityBits);

    /// <summary>How urgent it is; normal in records older than priorities, and for a value that is not known.</summary>
    public MailPriority Priority => ((_bytes[2] & PriorityBits) >> PriorityShift) is int value and < MailPriorities.Count ? (MailPriority)value : MailPriority.Normal;

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

    /// <summary>The RET of MAIL (RFC 3461 4.3): 0 not given, 1 the whole message, 2 its header.</summary>
    public byte Return => _bytes[3];

    /// <summary>The ENVID of MAIL (RFC 3461 4.4) as given; empty when it was not.</summary>
    public ReadOnlySpan<byte> EnvelopeId => _bytes.Slice(Header + Length(16) + Length(18) + Length(20), Length(22));

    /// <summary>Whose mail it is, at most <see cref="Limits.TenantBytes"/> octets; empty for the default tenant. It stands in the fixed part, which older readers skip by its length.</summary>
    public ReadOnlySpan<byte> Tenant => Header > HeaderBytes ? _bytes.Slice(HeaderBytes + 1, _bytes[HeaderBytes]) : default;

    private int Header => BinaryPrimitives.ReadUInt16LittleEndian(_bytes);

    private int FirstRecipient => Header + Length(16) + Length(18) + Length(20) + Length(22);

    /// <summary>All recipients in order.</summary>
    public RecipientEnumerator GetEnumerator() => new(_bytes[FirstRecipient..], RecipientCount);

    /// <summary>The next recipient, for whoever pauses between two of them.</summary>
    /// <param name="place">Where the walk is; its default is before the first.</param>
    /// <param name="recipient">The recipient.</param>
    /// <returns>False behind the last.</returns>
    public bool TryNext(ref EnvelopePlace place, out EnvelopeRecipient recipient)
    {
        ReadOnlySpan<byte> rest = _bytes[(FirstRecipient + place.Octets)..];
        var one = new RecipientEnumerator(rest, RecipientCount, place.Recipients);
        bool found = one.MoveNext();
        recipient = one.Current;
        place = found ? new EnvelopePlace(place.Recipients + 1, place.Octets + rest.Length - one.Left) : place;
        return found;
    }

    /// <summary>The mailbox of one recipient; walks the list, so enumerate when more than one is wanted.</summary>
    public ReadOnlySpan<byte> Recipient(int index) => At(index).Mailbox;

    /// <summary>One recipient with its options; walks the list, so enumerate when more than one is wanted.</summary>
    public EnvelopeRecipient At(int index)
    {
        foreach (EnvelopeRecipient recipient in this)
        {
            if (recipient.Index == index)
            {
                return recipient;
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
        int header = BinaryPrimitives.ReadUInt16LittleEndian(encoded);
        if (header > encoded.Length || (header > HeaderBytes && HeaderBytes + 1 + encoded[HeaderBytes] > header))
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
            int length = BinaryPrimitives.ReadUInt16LittleEndian(encoded[at..]);
            at += 2 + (length & MailboxMax);
            if ((length & HasOptions) != 0)
            {
                if (at + 2 > encoded.Length)
                {
                    return false;
                }
                at += 2 + BinaryPrimitives.ReadUInt16LittleEndian(encoded[at..]);
            }
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

        internal RecipientEnumerator(ReadOnlySpan<byte> recipients, int count, int first = 0)
        {
            _rest = recipients;
            _count = count;
            _index = first - 1;
        }

        /// <summary>Octets behind the recipient at hand.</summary>
        internal readonly int Left => _rest.Length;

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
            ReadOnlySpan<byte> mailbox = _rest.Slice(2, length & MailboxMax);
            _rest = _rest[(2 + mailbox.Length)..];
            ReadOnlySpan<byte> options = default;
            if ((length & HasOptions) != 0)
            {
                options = _rest.Slice(2, BinaryPrimitives.ReadUInt16LittleEndian(_rest));
                _rest = _rest[(2 + options.Length)..];
            }
            Current = new EnvelopeRecipient(_index, mailbox, options);
            return true;
        }
    }
}

/// <summary>Where a walk through the recipients of an <see cref="Envelope"/> pauses.</summary>
/// <param name="Recipients">That were seen.</param>
/// <param name="Octets">That they take.</param>
public readonly record struct EnvelopePlace(int Recipients, int Octets);
