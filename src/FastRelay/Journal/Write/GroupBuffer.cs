using System.Runtime.InteropServices;

namespace FastRelay.Journal;

/// <summary>
/// One commit group while it is filled, written and until it is durable: native memory, so that the collector never
/// moves or counts it. The frame's place is left free at the front.
/// </summary>
internal sealed unsafe class GroupBuffer
{
    /// <summary>Bytes of memory: the largest group, padded to whole blocks.</summary>
    public const int Capacity = 1 << 20;

    private readonly byte* _memory = (byte*)NativeMemory.AlignedAlloc(Capacity, SegmentHeader.Block);
    // A move of half a million messages fills groups with ten thousand of them: in pages, so that none is copied to make room, and not the collector's.
    private readonly Slab<StagedRecord> _staged = new();
    private int _stagedCount;

    ~GroupBuffer() => NativeMemory.AlignedFree(_memory);

    /// <summary>Place in the one order of groups; given when it is opened, kept when it must be written again.</summary>
    public ulong Number { get; private set; }

    /// <summary>On every record of it.</summary>
    public uint Tag { get; private set; }

    /// <summary>Bytes used, the frame included, without padding.</summary>
    public int Length { get; private set; }

    /// <summary>Records in it.</summary>
    public int Records { get; private set; }

    /// <summary>Clean end.</summary>
    public GroupFlags Flags { get; set; }

    /// <summary>Bytes that reclaim put in.</summary>
    public int CopiedBytes { get; set; }

    /// <summary>Messages that wait for it, in order.</summary>
    public MessageWriter? FirstWaiter { get; private set; }

    private MessageWriter? LastWaiter { get; set; }

    /// <summary>Bytes on disk.</summary>
    public long PaddedBytes => GroupHeader.Pad(Length);

    /// <summary>News for the index.</summary>
    public int StagedCount => _stagedCount;

    /// <summary>A piece of news, by its place in the order.</summary>
    public ref StagedRecord Staged(int index) => ref _staged[index];

    /// <summary>Nothing to write.</summary>
    public bool IsEmpty => Records == 0 && Flags == GroupFlags.None;

    /// <summary>Begins a group.</summary>
    public void Open(ulong number, uint tag)
    {
        Number = number;
        Tag = tag;
        Length = GroupHeader.Bytes;
        Records = 0;
        Flags = GroupFlags.None;
        CopiedBytes = 0;
        FirstWaiter = LastWaiter = null;
        _stagedCount = 0;
    }

    /// <summary>True when a record of this length, without padding, still fits.</summary>
    public bool Fits(int recordBytes) => Length + RecordHeader.Pad(recordBytes) <= Limits.GroupBytes;

    /// <summary>Room for a record; all of it must be written.</summary>
    public Span<byte> Take(int recordBytes, out int offset)
    {
        Check.That(Fits(recordBytes), "a record larger than a group");
        offset = Length;
        Length += RecordHeader.Pad(recordBytes);
        Records++;
        return Bytes(offset, Length - offset);
    }

    /// <summary>Bytes of the group.</summary>
    public Span<byte> Bytes(int offset, int length)
    {
        Check.That(offset >= 0 && length >= 0 && offset + length <= Capacity);
        return new Span<byte>(_memory + offset, length);
    }

    /// <summary>Notes what the index must hear.</summary>
    public void Note(in StagedRecord record)
    {
        if (_stagedCount == _staged.Bound)
        {
            _staged.Allocate();
        }
        _staged[_stagedCount++] = record;
    }

    /// <summary>Adds a message that waits.</summary>
    public void AddWaiter(MessageWriter writer)
    {
        writer.NextWaiter = null;
        if (LastWaiter is null)
        {
            FirstWaiter = writer;
        }
        else
        {
            LastWaiter.NextWaiter = writer;
        }
        LastWaiter = writer;
    }

    /// <summary>Takes all waiters.</summary>
    public MessageWriter? TakeWaiters()
    {
        MessageWriter? first = FirstWaiter;
        FirstWaiter = LastWaiter = null;
        return first;
    }

    /// <summary>Takes the first waiter; only while there is one.</summary>
    public MessageWriter TakeWaiter()
    {
        MessageWriter first = FirstWaiter!;
        FirstWaiter = first.NextWaiter;
        LastWaiter = FirstWaiter is null ? null : LastWaiter;
        first.NextWaiter = null;
        return first;
    }

    /// <summary>Writes the frame and clears the padding; on the disk's thread.</summary>
    public ReadOnlySpan<byte> Seal(ulong epoch)
    {
        int padded = (int)PaddedBytes;
        Bytes(Length, padded - Length).Clear();
        new GroupHeader
        {
            Epoch = epoch,
            PayloadBytes = Length - GroupHeader.Bytes,
            Number = Number,
            PayloadCrc = Crc32C.Of(Bytes(GroupHeader.Bytes, Length - GroupHeader.Bytes)),
            Records = Records,
            Tag = Tag,
            Flags = Flags,
        }.Write(Bytes(0, GroupHeader.Bytes));
        return Bytes(0, padded);
    }

    /// <summary>After a failure: keeps outcomes and controls, which are owed to the disk, and drops mail and copies.</summary>
    public void KeepOwed()
    {
        int from = GroupHeader.Bytes;
        int to = from;
        int end = Length;
        int kept = 0;
        int staged = 0;
        Records = 0;
        while (from < end)
        {
            bool read = RecordHeader.TryRead(Bytes(from, end - from), out RecordHeader header);
            Check.That(read, "a staged record lost its form");
            bool owed = header.Kind is RecordKind.Outcome or RecordKind.Settled or RecordKind.Control
                && (header.Flags & RecordHeader.CopyFlag) == 0;
            bool noted = staged < _stagedCount && _staged[staged].Offset == from;
            if (owed)
            {
                Bytes(from, header.PaddedLength).CopyTo(Bytes(to, header.PaddedLength));
                if (noted)
                {
                    _staged[kept] = _staged[staged];
                    _staged[kept++].Offset = to;
                }
                to += header.PaddedLength;
                Records++;
            }
            staged += noted ? 1 : 0;
            from += header.PaddedLength;
        }
        _stagedCount = kept;
        Length = to;
        CopiedBytes = 0;
    }
}
