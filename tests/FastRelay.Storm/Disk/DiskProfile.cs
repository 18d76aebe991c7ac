namespace FastRelay.Storm;

/// <summary>What a simulated disk does wrong; "one in n", 0 is never.</summary>
public sealed record DiskProfile
{
    /// <summary>Size of the file system.</summary>
    public long CapacityBytes { get; init; } = 1L << 30;

    /// <summary>A write fails with EIO after some part of it.</summary>
    public int WriteErrorOneIn { get; init; }

    /// <summary>A write meets ENOSPC; a full time begins.</summary>
    public int FullOneIn { get; init; }

    /// <summary>Writing over what a file has already needs room too, as on a copy-on-write file system.</summary>
    public bool CopyOnWrite { get; init; }

    /// <summary>A data sync fails, and what it should have written may be lost for good.</summary>
    public int SyncErrorOneIn { get; init; }

    /// <summary>A directory sync, rename, create or delete fails.</summary>
    public int MetadataErrorOneIn { get; init; }

    /// <summary>A read or populate fails with EIO.</summary>
    public int ReadErrorOneIn { get; init; }

    /// <summary>Once an error was met, it stays for up to this long, ns.</summary>
    public long BurstNs { get; init; } = 5_000_000_000;

    /// <summary>Least and most time of a job, ns.</summary>
    public (long Least, long Most) JobNs { get; init; } = (20_000, 5_000_000);

    /// <summary>A job takes up to 3 s.</summary>
    public int StallOneIn { get; init; }

    // ---- Lies: what a defect in the product would come to. A storm that does not notice them proves nothing. ----

    /// <summary>SyncData says ok and does nothing: as if replies did not wait for the sync.</summary>
    public bool LieAboutSync { get; init; }

    /// <summary>SyncDirectory says ok and does nothing: as if it were never called.</summary>
    public bool LieAboutDirectorySync { get; init; }

    /// <summary>SyncData fails and says ok: as if results were not looked at.</summary>
    public bool HideSyncErrors { get; init; }

    /// <summary>A disk of a seed.</summary>
    public static DiskProfile FromSeed(SimRandom random)
    {
        bool calm = random.OneIn(3);
        int Or0(int least, int most) => calm || random.OneIn(2) ? 0 : (int)random.Magnitude(least, most);
        return new DiskProfile
        {
            WriteErrorOneIn = Or0(30, 1_000),
            FullOneIn = Or0(30, 1_000),
            CopyOnWrite = random.OneIn(4),
            SyncErrorOneIn = Or0(20, 500),
            MetadataErrorOneIn = Or0(10, 100),
            ReadErrorOneIn = Or0(50, 1_000),
            BurstNs = random.Magnitude(1_000_000, 30_000_000_000),
            JobNs = (random.Magnitude(5_000, 200_000), random.Magnitude(200_000, 30_000_000)),
            StallOneIn = Or0(20, 500),
        };
    }
}
