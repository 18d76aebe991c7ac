using System.Buffers.Binary;

namespace FastRelay.Journal;

/// <summary>Writes an envelope in its stored form. One for each session, reused: it allocates only while its buffer grows.</summary>
public sealed class EnvelopeBuilder
{
    private byte[] _buffer = new byte[512];
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
    public void Start(ReadOnlySpan<byte> reversePath, EnvelopeFlags flags, ReadOnlySpan<byte> peer, ReadOnlySpan<byte> helo)
    {
        Check.That(reversePath.Length <= ushort.MaxValue && peer.Length <= ushort.MaxValue && helo.Length <= ushort.MaxValue);
        Clear();
        int total = Envelope.HeaderBytes + reversePath.Length + peer.Length + helo.Length;
        Check.That(total <= Limits.EnvelopeBytes);
        Reserve(total);
        Span<byte> head = _buffer.AsSpan(0, Envelope.HeaderBytes);
        head.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(head, Envelope.HeaderBytes);
        head[2] = (byte)flags;
        BinaryPrimitives.WriteUInt16LittleEndian(head[16..], (ushort)reversePath.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(head[18..], (ushort)peer.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(head[20..], (ushort)helo.Length);
        _length = Envelope.HeaderBytes;
        Append(reversePath);
        Append(peer);
        Append(helo);
    }

    /// <summary>Adds a recipient.</summary>
    /// <param name="mailbox">Mailbox without angle brackets; at most 65,535 octets.</param>
    /// <returns>False when the envelope would pass <see cref="Limits.EnvelopeBytes"/>: 452 4.5.3.</returns>
    public bool TryAddRecipient(ReadOnlySpan<byte> mailbox)
    {
        Check.That(_length >= Envelope.HeaderBytes, "an envelope must be started first");
        Check.That(mailbox.Length is > 0 and <= ushort.MaxValue);
        if (_length + 2 + mailbox.Length > Limits.EnvelopeBytes)
        {
            return false;
        }
        Reserve(2 + mailbox.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer.AsSpan(_length), (ushort)mailbox.Length);
        _length += 2;
        Append(mailbox);
        RecipientCount++;
        BinaryPrimitives.WriteInt32LittleEndian(_buffer.AsSpan(4), RecipientCount);
        return true;
    }

    /// <summary>Set by the commit.</summary>
    internal void SetArrival(long unixMs) => BinaryPrimitives.WriteInt64LittleEndian(_buffer.AsSpan(8), unixMs);

    private void Append(ReadOnlySpan<byte> data)
    {
        data.CopyTo(_buffer.AsSpan(_length));
        _length += data.Length;
    }

    private void Reserve(int more)
    {
        if (_length + more > _buffer.Length)
        {
            Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, _length + more));
        }
    }
}
