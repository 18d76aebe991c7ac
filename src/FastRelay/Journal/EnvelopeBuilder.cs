using System.Buffers.Binary;
using FastRelay.Config;

namespace FastRelay.Journal;

/// <summary>Writes an envelope in its stored form. One for each session, reused: it allocates only while its buffer grows.</summary>
public sealed class EnvelopeBuilder
{
    private const int Least = 512;

    /// <summary>From here on a buffer grows to the bound at once: each step to there would leave large garbage behind, which stays until the next full collection.</summary>
    private const int Small = 64 * 1024;

    private byte[] _buffer = [];
    private int _length;

    /// <summary>Recipients added so far.</summary>
    public int RecipientCount { get; private set; }

    /// <summary>The stored form so far.</summary>
    public ReadOnlySpan<byte> Encoded => _buffer.AsSpan(0, _length);

    /// <summary>A view of the stored form so far; changes end it.</summary>
    public Envelope View => new(Encoded);

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        _length = 0;
        RecipientCount = 0;
    }

    /// <summary>Begins an envelope without recipients.</summary>
    /// <param name="reversePath">Mailbox without angle brackets, empty for the null path; at most 65,535 octets.</param>
    /// <param name="flags">Facts of the message.</param>
    /// <param name="peer">Where it comes from, as text.</param>
    /// <param name="helo">What the peer said in EHLO or HELO.</param>
    /// <param name="returns">RET of MAIL: 0 not given, 1 the whole message, 2 its header.</param>
    /// <param name="envelopeId">ENVID of MAIL as given; empty when it was not.</param>
    public void Start(ReadOnlySpan<byte> reversePath, EnvelopeFlags flags, ReadOnlySpan<byte> peer, ReadOnlySpan<byte> helo, byte returns = 0, ReadOnlySpan<byte> envelopeId = default)
    {
        Check.That(reversePath.Length <= ushort.MaxValue && peer.Length <= ushort.MaxValue && helo.Length <= ushort.MaxValue && envelopeId.Length <= ushort.MaxValue);
        Clear();
        int total = Envelope.HeaderBytes + reversePath.Length + peer.Length + helo.Length + envelopeId.Length;
        Check.That(total <= Limits.EnvelopeBytes - Envelope.TenantRoom);
        Reserve(total);
        Span<byte> head = _buffer.AsSpan(0, Envelope.HeaderBytes);
        head.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(head, Envelope.HeaderBytes);
        head[2] = (byte)flags;
        head[3] = returns;
        BinaryPrimitives.WriteUInt16LittleEndian(head[16..], (ushort)reversePath.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(head[18..], (ushort)peer.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(head[20..], (ushort)helo.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(head[22..], (ushort)envelopeId.Length);
        _length = Envelope.HeaderBytes;
        Append(reversePath);
        Append(peer);
        Append(helo);
        Append(envelopeId);
    }

    /// <summary>What was found out about the content.</summary>
    public void SetFlags(EnvelopeFlags flags)
    {
        Check.That(_length >= Envelope.HeaderBytes, "an envelope must be started first");
        _buffer[2] = (byte)((byte)flags | (_buffer[2] & Envelope.PriorityBits));
    }

    /// <summary>How urgent it is; may be said until the commit.</summary>
    public void SetPriority(MailPriority priority)
    {
        Check.That(_length >= Envelope.HeaderBytes, "an envelope must be started first");
        _buffer[2] = (byte)((_buffer[2] & ~Envelope.PriorityBits) | ((int)priority << Envelope.PriorityShift));
    }

    /// <summary>Whose mail it is; may be said until the commit, and room for it is kept whatever recipients there are.</summary>
    /// <param name="tenant">At most <see cref="Limits.TenantBytes"/> octets; empty for the default tenant.</param>
    public void SetTenant(ReadOnlySpan<byte> tenant)
    {
        Check.That(_length >= Envelope.HeaderBytes, "an envelope must be started first");
        Check.That(tenant.Length <= Limits.TenantBytes);
        int old = TenantLength;
        int now = tenant.IsEmpty ? 0 : 1 + tenant.Length;
        Reserve(Math.Max(0, now - old));
        _buffer.AsSpan(Envelope.HeaderBytes + old, _length - Envelope.HeaderBytes - old).CopyTo(_buffer.AsSpan(Envelope.HeaderBytes + now));
        _length += now - old;
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer, (ushort)(Envelope.HeaderBytes + now));
        if (now > 0)
        {
            _buffer[Envelope.HeaderBytes] = (byte)tenant.Length;
            tenant.CopyTo(_buffer.AsSpan(Envelope.HeaderBytes + 1));
        }
    }

    /// <summary>Adds a recipient.</summary>
    /// <param name="mailbox">Mailbox without angle brackets; at most 32,767 octets.</param>
    /// <param name="notify">NOTIFY of RCPT as bits; 0 when it was not given.</param>
    /// <param name="originalRecipient">ORCPT of RCPT as given; empty when it was not.</param>
    /// <returns>False when the envelope would pass <see cref="Limits.EnvelopeBytes"/>: 452 4.5.3.</returns>
    public bool TryAddRecipient(ReadOnlySpan<byte> mailbox, byte notify = 0, ReadOnlySpan<byte> originalRecipient = default)
    {
        Check.That(_length >= Envelope.HeaderBytes, "an envelope must be started first");
        Check.That(mailbox.Length is > 0 and <= Envelope.MailboxMax && originalRecipient.Length < Envelope.MailboxMax);
        int options = notify == 0 && originalRecipient.IsEmpty ? 0 : 3 + originalRecipient.Length;
        if (_length - TenantLength + 2 + mailbox.Length + options > Limits.EnvelopeBytes - Envelope.TenantRoom)
        {
            return false;
        }
        Reserve(2 + mailbox.Length + options);
        AppendLength(mailbox.Length | (options > 0 ? Envelope.HasOptions : 0));
        Append(mailbox);
        if (options > 0)
        {
            AppendLength(1 + originalRecipient.Length);
            _buffer[_length++] = notify;
            Append(originalRecipient);
        }
        RecipientCount++;
        BinaryPrimitives.WriteInt32LittleEndian(_buffer.AsSpan(4), RecipientCount);
        return true;
    }

    /// <summary>Set by the commit.</summary>
    internal void SetArrival(long unixMs) => BinaryPrimitives.WriteInt64LittleEndian(_buffer.AsSpan(8), unixMs);

    // What the tenant adds to the fixed part.
    private int TenantLength => BinaryPrimitives.ReadUInt16LittleEndian(_buffer) - Envelope.HeaderBytes;

    private void AppendLength(int length)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer.AsSpan(_length), (ushort)length);
        _length += 2;
    }

    private void Append(ReadOnlySpan<byte> data)
    {
        data.CopyTo(_buffer.AsSpan(_length));
        _length += data.Length;
    }

    private void Reserve(int more)
    {
        if (_length + more > _buffer.Length)
        {
            int wanted = Math.Max(Math.Max(Least, _buffer.Length * 2), _length + more);
            Array.Resize(ref _buffer, wanted > Small ? Limits.EnvelopeBytes : wanted);
        }
    }
}
