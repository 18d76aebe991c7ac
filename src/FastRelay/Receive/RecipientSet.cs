using FastRelay.Journal;

namespace FastRelay.Receive;

/// <summary>
/// Knows which mailboxes an envelope has, so that each is served once. Local parts are compared by their octets, domains
/// without regard to case (RFC 5321 2.4). One for each session, reused: it allocates only while it grows.
/// </summary>
internal sealed class RecipientSet
{
    /// <summary>Up to so many are looked through one by one.</summary>
    private const int FewRecipients = 8;

    /// <summary>Places that a session keeps for its next message.</summary>
    private const int KeptPlaces = 4096;

    // Open addressing; 0 is a free place. What agrees in its hash is compared in the envelope itself.
    private ulong[] _hashes = [];
    private int _count;

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        if (_hashes.Length > KeptPlaces)
        {
            _hashes = [];
        }
        else if (_count > FewRecipients)
        {
            Array.Clear(_hashes);
        }
        _count = 0;
    }

    /// <summary>True when the envelope has the mailbox.</summary>
    public bool Has(ReadOnlySpan<byte> mailbox, EnvelopeBuilder envelope) =>
        _count > 0 && (_count <= FewRecipients || Find(Hash(mailbox))) && Holds(envelope.View, mailbox);

    /// <summary>Notes that a mailbox, which it had not, was added to the envelope.</summary>
    public void Added(ReadOnlySpan<byte> mailbox, EnvelopeBuilder envelope)
    {
        if (++_count <= FewRecipients)
        {
            return;
        }
        if (_count * 2 > _hashes.Length)
        {
            // Every second place stays free, and everything finds its new one.
            _hashes = new ulong[Math.Max(64, _hashes.Length * 4)];
        }
        else if (_count > FewRecipients + 1)
        {
            Insert(Hash(mailbox));
            return;
        }
        foreach (EnvelopeRecipient recipient in envelope.View)
        {
            Insert(Hash(recipient.Mailbox));
        }
    }

    /// <summary>True when both name the same mailbox.</summary>
    public static bool Same(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        int at = one.LastIndexOf((byte)'@') + 1;
        return one.Length == other.Length && at == other.LastIndexOf((byte)'@') + 1
            && one[..at].SequenceEqual(other[..at])
            && System.Text.Ascii.EqualsIgnoreCase(one[at..], other[at..]);
    }

    private static bool Holds(in Envelope envelope, ReadOnlySpan<byte> mailbox)
    {
        foreach (EnvelopeRecipient recipient in envelope)
        {
            if (Same(recipient.Mailbox, mailbox))
            {
                return true;
            }
        }
        return false;
    }

    private bool Find(ulong hash)
    {
        for (int at = (int)(hash % (ulong)_hashes.Length); _hashes[at] != 0; at = (at + 1) % _hashes.Length)
        {
            if (_hashes[at] == hash)
            {
                return true;
            }
        }
        return false;
    }

    private void Insert(ulong hash)
    {
        int at = (int)(hash % (ulong)_hashes.Length);
        while (_hashes[at] != 0)
        {
            at = (at + 1) % _hashes.Length;
        }
        _hashes[at] = hash;
    }

    // FNV-1a with the domain in lower case. A client that makes its own addresses collide slows only itself, and by little.
    private static ulong Hash(ReadOnlySpan<byte> mailbox)
    {
        int domain = mailbox.LastIndexOf((byte)'@');
        ulong hash = 14695981039346656037;
        for (int i = 0; i < mailbox.Length; i++)
        {
            byte octet = mailbox[i];
            if (i > domain && octet is >= (byte)'A' and <= (byte)'Z')
            {
                octet |= 0x20;
            }
            hash = (hash ^ octet) * 1099511628211;
        }
        return hash == 0 ? 1 : hash;
    }
}
