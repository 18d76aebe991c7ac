namespace FastRelay.Journal;

/// <summary>Counts of a journal at one moment.</summary>
/// <param name="Syncs">fdatasyncs of commit groups that returned 0.</param>
/// <param name="Groups">Groups made durable.</param>
/// <param name="Records">Records in them.</param>
/// <param name="Bytes">Bytes written for them, padding included.</param>
/// <param name="LiveBytes">Bytes of records that are still needed.</param>
/// <param name="Messages">Messages with a pending recipient.</param>
/// <param name="Segments">Segments in use, the open one included.</param>
/// <param name="Spares">Segments ready for use.</param>
/// <param name="FreeBytes">Free on the file system, as last looked.</param>
/// <param name="Failures">Writes and syncs that failed.</param>
/// <param name="Moved">Records copied forward to reclaim segments.</param>
/// <param name="Recycled">Segments reclaimed.</param>
/// <param name="KeptAside">Damaged segments in the spool that nothing needs; they are the operator's to look at and remove.</param>
/// <param name="StagedBytes">Bytes of records that are not durable yet.</param>
/// <param name="DiskBytes">Size of the file system, as last looked.</param>
/// <param name="FloorBytes">Of its free bytes, those that are left to outcomes: below them no new mail is taken.</param>
public readonly record struct JournalStats(
    long Syncs,
    long Groups,
    long Records,
    long Bytes,
    long LiveBytes,
    long Messages,
    int Segments,
    int Spares,
    long FreeBytes,
    long Failures,
    long Moved,
    long Recycled,
    int KeptAside,
    long StagedBytes,
    long DiskBytes,
    long FloorBytes);
