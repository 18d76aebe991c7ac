using static System.Buffers.Binary.BinaryPrimitives;

namespace FastRelay.Journal;

/// <summary>The fixed part of Accepted and Moved records. Layout: docs/JOURNAL_FORMAT.md, "Accepted and Moved".</summary>
internal readonly record struct MessageFacts
{
    /// <summary>Bytes of the fixed part.</summary>
    public const int Bytes = 40;

    /// <summary>Bytes of the envelope that follows.</summary>
    public int EnvelopeBytes { get; init; }

    /// <summary>Chunk records that hold the beginning of the body.</summary>
    public int Chunks { get; init; }

    /// <summary>Bytes of the whole body.</summary>
    public long BodyLength { get; init; }

    /// <summary>Checksum of the whole body.</summary>
    public uint BodyCrc { get; init; }

    /// <summary>Dots that stuffing added.</summary>
    public int StuffedDots { get; init; }

    /// <summary>The message whose recipients it settles; 0 for none.</summary>
    public ulong Settles { get; init; }

    /// <summary>How many of them follow the envelope, four bytes each.</summary>
    public int SettledCount { get; init; }

    /// <summary>
    /// Words of pending bits that follow those, eight bytes each; 0 means that all recipients are pending. Where some recipients
    /// are held as many words of held bits are counted with them: a reader that does not know these leaves them out.
    /// </summary>
    public int PendingWords { get; init; }

    /// <summary>Bytes from the record's start to its body.</summary>
    public int HeadBytes => RecordHeader.Bytes + Bytes + EnvelopeBytes + (SettledCount * 4) + (PendingWords * 8);

    /// <summary>Writes the fixed part into a record.</summary>
    public void Write(Span<byte> record)
    {
        Span<byte> into = record.Slice(RecordHeader.Bytes, Bytes);
        WriteInt32LittleEndian(into, EnvelopeBytes);
        WriteInt32LittleEndian(into[4..], Chunks);
        WriteInt64LittleEndian(into[8..], BodyLength);
        WriteUInt32LittleEndian(into[16..], BodyCrc);
        WriteInt32LittleEndian(into[20..], StuffedDots);
        WriteUInt64LittleEndian(into[24..], Settles);
        WriteInt32LittleEndian(into[32..], SettledCount);
        WriteInt32LittleEndian(into[36..], PendingWords);
    }

    /// <summary>Reads the fixed part of a record whose head is good.</summary>
    public static MessageFacts Read(ReadOnlySpan<byte> record)
    {
        ReadOnlySpan<byte> from = record.Slice(RecordHeader.Bytes, Bytes);
        return new MessageFacts
        {
            EnvelopeBytes = ReadInt32LittleEndian(from),
            Chunks = ReadInt32LittleEndian(from[4..]),
            BodyLength = ReadInt64LittleEndian(from[8..]),
            BodyCrc = ReadUInt32LittleEndian(from[16..]),
            StuffedDots = ReadInt32LittleEndian(from[20..]),
            Settles = ReadUInt64LittleEndian(from[24..]),
            SettledCount = ReadInt32LittleEndian(from[32..]),
            PendingWords = ReadInt32LittleEndian(from[36..]),
        };
    }

    /// <summary>Reads a record that nobody vouches for yet: lengths must add up and the envelope be whole.</summary>
    public static bool TryRead(ReadOnlySpan<byte> record, in RecordHeader header, out MessageFacts facts)
    {
        facts = default;
        if (header.BodyAt < RecordHeader.Bytes + Bytes)
        {
            return false;
        }
        facts = Read(record);
        long words = (long)facts.EnvelopeBytes + (4L * facts.SettledCount) + (8L * facts.PendingWords);
        return facts.EnvelopeBytes >= 0 && facts.SettledCount >= 0 && facts.PendingWords >= 0
            && facts.Chunks >= 0 && facts.BodyLength >= header.BodyBytes
            && RecordHeader.Bytes + Bytes + words == header.BodyAt
            && Envelope.IsWellFormed(facts.EnvelopeOf(record));
    }

    /// <summary>The envelope's bytes.</summary>
    public ReadOnlySpan<byte> EnvelopeOf(ReadOnlySpan<byte> record) => record.Slice(RecordHeader.Bytes + Bytes, EnvelopeBytes);

    /// <summary>Where the settled indexes lie.</summary>
    public Span<byte> Settled(Span<byte> record) => record.Slice(RecordHeader.Bytes + Bytes + EnvelopeBytes, SettledCount * 4);

    /// <summary>One settled index.</summary>
    public int SettledIndex(ReadOnlySpan<byte> record, int i) =>
        ReadInt32LittleEndian(record[(RecordHeader.Bytes + Bytes + EnvelopeBytes + (i * 4))..]);

    /// <summary>One word of pending bits.</summary>
    public ulong PendingWord(ReadOnlySpan<byte> record, int i) => ReadUInt64LittleEndian(record[(PendingAt + (i * 8))..]);

    /// <summary>Sets one word of pending bits.</summary>
    public void SetPendingWord(Span<byte> record, int i, ulong word) => WriteUInt64LittleEndian(record[(PendingAt + (i * 8))..], word);

    private int PendingAt => RecordHeader.Bytes + Bytes + EnvelopeBytes + (SettledCount * 4);
}

/// <summary>The head of a Chunk record: its place in the body.</summary>
internal static class ChunkFacts
{
    /// <summary>Bytes of the head.</summary>
    public const int Bytes = 8;

    /// <summary>Writes the head.</summary>
    public static void Write(Span<byte> record, int index)
    {
        WriteInt32LittleEndian(record[RecordHeader.Bytes..], index);
        WriteInt32LittleEndian(record[(RecordHeader.Bytes + 4)..], 0);
    }

    /// <summary>The place; -1 when the record is too short.</summary>
    public static int Index(ReadOnlySpan<byte> record, in RecordHeader header) =>
        header.BodyAt < RecordHeader.Bytes + Bytes ? -1 : ReadInt32LittleEndian(record[RecordHeader.Bytes..]);
}

/// <summary>The head of a Control record.</summary>
internal readonly record struct ControlFacts
{
    /// <summary>The operator holds recipients.</summary>
    public const int Hold = 1;

    /// <summary>The operator lets them go.</summary>
    public const int Release = 2;

    private const int WordsAt = RecordHeader.Bytes + 8;

    /// <summary>What it asks for.</summary>
    public int What { get; private init; }

    /// <summary>Words of bits that name the recipients; 0 means all, as in records of older releases.</summary>
    public int Words { get; private init; }

    /// <summary>Bytes of a whole record, without padding.</summary>
    public static int RecordBytes(int words) => WordsAt + (words * 8);

    /// <summary>Writes the head.</summary>
    public static void Write(Span<byte> record, int what, ReadOnlySpan<ulong> recipients)
    {
        WriteInt32LittleEndian(record[RecordHeader.Bytes..], what);
        WriteInt32LittleEndian(record[(RecordHeader.Bytes + 4)..], recipients.Length);
        for (int i = 0; i < recipients.Length; i++)
        {
            WriteUInt64LittleEndian(record[(WordsAt + (i * 8))..], recipients[i]);
        }
    }

    /// <summary>Reads a record whose checksum is good; false when it is too short for what it says.</summary>
    public static bool TryRead(ReadOnlySpan<byte> record, in RecordHeader header, out ControlFacts facts)
    {
        facts = default;
        if (header.BodyAt < WordsAt)
        {
            return false;
        }
        facts = new ControlFacts
        {
            What = ReadInt32LittleEndian(record[RecordHeader.Bytes..]),
            Words = ReadInt32LittleEndian(record[(RecordHeader.Bytes + 4)..]),
        };
        return facts.Words >= 0 && WordsAt + (8L * facts.Words) <= header.BodyAt;
    }

    /// <summary>One of the words.</summary>
    public static ulong Word(ReadOnlySpan<byte> record, int i) => ReadUInt64LittleEndian(record[(WordsAt + (i * 8))..]);
}
