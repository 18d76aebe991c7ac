using FastRelay.Outside;
using Xunit;

namespace FastRelay.Storm.Tests;

public class SimDiskTests
{
    private readonly SimUniverse _universe = new(7);

    [Fact]
    public void What_was_synced_survives_every_power_cut()
    {
        for (ulong seed = 0; seed < 50; seed++)
        {
            var universe = new SimUniverse(seed);
            (SimStorage storage, SimDisk disk) = Mount(universe);
            DiskFile file = Create(disk, "spool/a");
            Assert.True(file.Write(0, Filled(5_000, 1)).Ok);
            Assert.True(file.SyncData().Ok);
            Assert.True(file.Write(4_096, Filled(3_000, 2)).Ok);
            storage.PowerOff(keepCache: false);
            storage.PowerOn();
            ReadOnlySpan<byte> content = storage.Content("spool/a").Span;
            Assert.Equal(-1, content[..4_096].IndexOfAnyExcept((byte)1));
            Assert.True(content.Length >= 5_000);
        }
    }

    [Fact]
    public void What_was_not_synced_is_lost_kept_torn_and_reordered_over_the_seeds()
    {
        var kinds = new HashSet<string>();
        for (ulong seed = 0; seed < 100; seed++)
        {
            var universe = new SimUniverse(seed);
            (SimStorage storage, SimDisk disk) = Mount(universe);
            DiskFile file = Create(disk, "spool/a");
            Assert.True(file.ZeroFill(16_384).Ok);
            Assert.True(file.SyncData().Ok);
            Assert.True(file.Write(0, Filled(4_096, 1)).Ok);
            Assert.True(file.Write(8_192, Filled(4_096, 2)).Ok);
            storage.PowerOff(keepCache: false);
            ReadOnlySpan<byte> content = storage.Content("spool/a").Span;
            string first = Kind(content[..4_096], 1);
            string second = Kind(content.Slice(8_192, 4_096), 2);
            kinds.Add(first == "lost" && second != "lost" ? "reordered" : first);
        }
        Assert.Superset(new HashSet<string> { "lost", "kept", "torn", "reordered" }, kinds);
    }

    [Fact]
    public void A_killed_process_leaves_the_cache_alone()
    {
        (SimStorage storage, SimDisk disk) = Mount(_universe);
        DiskFile file = Create(disk, "spool/a");
        Assert.True(file.Write(0, Filled(5_000, 1)).Ok);
        storage.PowerOff(keepCache: true);
        Assert.Equal("kept", Kind(storage.Content("spool/a").Span, 1));
    }

    [Fact]
    public void A_new_or_renamed_file_needs_a_directory_sync()
    {
        int without = 0;
        for (ulong seed = 0; seed < 50; seed++)
        {
            var universe = new SimUniverse(seed);
            (SimStorage storage, SimDisk disk) = Mount(universe);
            Create(disk, "spool/synced");
            Assert.True(disk.SyncDirectory("spool").Ok);
            DiskFile file = Create(disk, "spool/late");
            Assert.True(file.SyncData().Ok);
            Assert.True(disk.Rename("spool/synced", "spool/renamed").Ok);
            storage.PowerOff(keepCache: false);
            Assert.Single(storage.Files(), static f => f is "spool/synced" or "spool/renamed");
            without += storage.Files().Contains("spool/late") ? 0 : 1;
        }
        Assert.InRange(without, 1, 49);
    }

    [Fact]
    public void A_second_sync_after_a_failed_one_saves_nothing()
    {
        int lost = 0;
        for (ulong seed = 0; seed < 30; seed++)
        {
            var universe = new SimUniverse(seed);
            (SimStorage storage, SimDisk disk) = Mount(universe);
            DiskFile file = Create(disk, "spool/a");
            Assert.True(file.ZeroFill(4_096).Ok);
            Assert.True(file.SyncData().Ok);
            Assert.True(file.Write(0, Filled(4_096, 1)).Ok);
            storage.Profile = new DiskProfile { SyncErrorOneIn = 1, BurstNs = 1 };
            Assert.Equal(5, file.SyncData().Errno);
            storage.Profile = new DiskProfile();
            universe.Time.MoveTo(10_000_000);
            Assert.True(file.SyncData().Ok);
            storage.PowerOff(keepCache: false);
            lost += Kind(storage.Content("spool/a").Span, 1) == "kept" ? 0 : 1;
        }
        Assert.InRange(lost, 20, 30);
    }

    [Fact]
    public void A_map_sees_what_is_written_later()
    {
        (_, SimDisk disk) = Mount(_universe);
        DiskFile file = Create(disk, "spool/a");
        Assert.True(file.ZeroFill(8_192).Ok);
        Assert.True(file.Map(out DiskMap? map).Ok);
        Assert.True(file.Write(100, "later"u8).Ok);
        Assert.Equal("later"u8, map!.Span(100, 5));
        map.Dispose();
        Assert.Throws<CheckFailedException>(() => map.Memory(0, 1));
    }

    [Fact]
    public void A_full_disk_fails_what_needs_room_and_nothing_else()
    {
        (SimStorage storage, SimDisk disk) = Mount(_universe);
        DiskFile file = Create(disk, "spool/a");
        Assert.True(file.ZeroFill(8_192).Ok);
        storage.Profile = new DiskProfile { CapacityBytes = 8_192 };
        Assert.True(file.Write(10, Filled(100, 1)).Ok);
        Assert.True(file.Write(8_190, Filled(100, 1)).IsFull);
        Assert.True(disk.Space("spool", out DiskSpace space).Ok);
        Assert.Equal(0, space.FreeBytes);
    }

    [Fact]
    public void A_planned_cut_stops_everything_at_its_operation()
    {
        (SimStorage storage, SimDisk disk) = Mount(_universe);
        DiskFile file = Create(disk, "spool/a");
        storage.CutAfter(1);
        Assert.True(file.Write(0, Filled(10, 1)).Ok);
        Assert.Throws<SimPowerCutException>(() => file.SyncData());
        Assert.Throws<SimPowerCutException>(() => disk.SyncDirectory("spool"));
        Assert.True(storage.PowerIsOff);
    }

    [Fact]
    public void A_lock_is_held_once_and_ends_with_the_process()
    {
        (SimStorage storage, SimDisk disk) = Mount(_universe);
        Assert.True(disk.Lock("spool/lock", out IDisposable? held).Ok);
        Assert.Equal(11, disk.Lock("spool/lock", out _).Errno);
        held!.Dispose();
        Assert.True(disk.Lock("spool/lock", out _).Ok);
        storage.PowerOff(keepCache: true);
        storage.PowerOn();
        Assert.True(disk.Lock("spool/lock", out _).Ok);
    }

    [Fact]
    public void Jobs_of_a_lane_run_one_at_a_time_in_order_and_complete_on_the_loop()
    {
        SimHost host = _universe.AddHost("host");
        var disk = new SimDisk(host, new SimStorage(_universe, new DiskProfile()));
        var log = new List<string>();
        for (int i = 0; i < 5; i++)
        {
            disk.Submit(new LoggedJob(i, log), DiskLane.Write);
        }
        Assert.True(_universe.RunUntil(() => log.Count == 10, 10_000));
        Assert.Equal(["e0", "e1", "e2", "e3", "e4"], log.Where(static l => l[0] == 'e'));
        Assert.All(Enumerable.Range(0, 5), i => Assert.True(log.IndexOf($"e{i}") < log.IndexOf($"r{i}")));
    }

    [Fact]
    public void Every_version_of_a_sector_may_be_the_one_that_survives()
    {
        var seen = new HashSet<byte>();
        for (ulong seed = 0; seed < 200; seed++)
        {
            (SimStorage storage, SimDisk disk) = Mount(new SimUniverse(seed));
            DiskFile file = Create(disk, "spool/a");
            Assert.True(file.Write(0, Filled(512, 1)).Ok);
            Assert.True(file.SyncData().Ok);
            Assert.True(file.Write(0, Filled(512, 2)).Ok);
            Assert.True(file.Write(0, Filled(512, 3)).Ok);
            storage.PowerOff(keepCache: false);
            ReadOnlySpan<byte> content = storage.Content("spool/a").Span;
            Assert.Equal(-1, content.IndexOfAnyExcept(content[0]));
            seen.Add(content[0]);
        }
        Assert.Equal("1 2 3", string.Join(' ', seen.Order()));
    }

    private static (SimStorage, SimDisk) Mount(SimUniverse universe)
    {
        var storage = new SimStorage(universe, new DiskProfile());
        var disk = new SimDisk(universe.AddHost("host"), storage);
        Assert.True(disk.CreateDirectory("spool").Ok);
        Assert.True(disk.SyncDirectory("/").Ok);
        return (storage, disk);
    }

    private static DiskFile Create(SimDisk disk, string path)
    {
        Assert.True(disk.Open(path, DiskOpen.CreateNew, out DiskFile? file).Ok);
        if (!path.EndsWith("late", StringComparison.Ordinal))
        {
            Assert.True(disk.SyncDirectory("spool").Ok);
        }
        return file!;
    }

    private static byte[] Filled(int count, byte value)
    {
        byte[] bytes = new byte[count];
        bytes.AsSpan().Fill(value);
        return bytes;
    }

    private static string Kind(ReadOnlySpan<byte> bytes, byte value) =>
        bytes.IndexOfAnyExcept(value) < 0 ? "kept" : bytes.Contains(value) ? "torn" : "lost";

    private sealed class LoggedJob(int number, List<string> log) : DiskJob
    {
        protected override void Execute() => log.Add($"e{number}");

        protected override void Run() => log.Add($"r{number}");
    }
}
