using System.Text;
using FastRelay.Outside;
using FastRelay.Outside.Linux;

namespace FastRelay.Tests.Outside;

/// <summary>Files by checked system calls, and the lanes.</summary>
public sealed class LinuxDiskTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("fastrelay-disk-").FullName;
    private readonly EpollPoller _poller = new();
    private readonly Loop _loop;
    private readonly LinuxDisk _disk;

    public LinuxDiskTests()
    {
        _loop = new Loop(TimeProvider.System, _poller);
        _disk = new LinuxDisk(_loop);
    }

    [Fact]
    public void What_is_written_is_read_and_mapped()
    {
        using DiskFile file = Create("a");
        Assert.True(file.ZeroFill(64 * 1024).Ok);
        Assert.Equal(64 * 1024, file.Length);
        Assert.True(file.Map(out DiskMap? map).Ok);
        Assert.Equal(64 * 1024, map!.Length);
        Assert.True(map.Populate(5_000, 20_000).Ok);
        Assert.True(file.Write(40_000, "hello"u8).Ok);
        Assert.True(file.SyncData().Ok);
        byte[] buffer = new byte[5];
        Assert.True(file.Read(40_000, buffer, out int read).Ok);
        Assert.Equal(5, read);
        Assert.Equal("hello", Encoding.ASCII.GetString(buffer));
        Assert.Equal("hello", Encoding.ASCII.GetString(map.Span(40_000, 5)));
        Assert.Equal("hello", Encoding.ASCII.GetString(map.Memory(40_000, 5).Span));
        map.Dispose();
        map.Dispose();
    }

    [Fact]
    public void Reading_past_the_end_reads_less()
    {
        using DiskFile file = Create("a");
        Assert.True(file.Write(0, "hello"u8).Ok);
        byte[] buffer = new byte[10];
        Assert.True(file.Read(3, buffer, out int read).Ok);
        Assert.Equal(2, read);
        Assert.True(file.Read(50, buffer, out read).Ok);
        Assert.Equal(0, read);
    }

    [Fact]
    public void Filling_with_zeros_keeps_what_is_there_and_never_shrinks()
    {
        using DiskFile file = Create("a");
        Assert.True(file.Write(0, "hello"u8).Ok);
        Assert.True(file.ZeroFill(1_000_000).Ok);
        byte[] buffer = new byte[1_000_001];
        Assert.True(file.Read(0, buffer, out int read).Ok);
        Assert.Equal(1_000_000, read);
        Assert.Equal("hello", Encoding.ASCII.GetString(buffer, 0, 5));
        Assert.Equal(-1, buffer.AsSpan(5).IndexOfAnyExcept((byte)0));
        Assert.True(file.ZeroFill(10).Ok);
        Assert.Equal(1_000_000, file.Length);
    }

    [Fact]
    public void A_file_is_made_once_for_its_owner_only()
    {
        Create("a").Dispose();
        DiskError error = _disk.Open(Path("a"), DiskOpen.CreateNew, out DiskFile? file);
        Assert.Equal(17, error.Errno);
        Assert.Null(file);
        Assert.Equal("open: File exists (EEXIST)", error.ToString());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path("a")));
        Assert.Equal(2, _disk.Open(Path("missing"), DiskOpen.ReadWrite, out _).Errno);
    }

    [Fact]
    public void Writing_to_a_file_opened_for_reading_is_an_error_number()
    {
        Create("a").Dispose();
        Assert.True(_disk.Open(Path("a"), DiskOpen.Read, out DiskFile? file).Ok);
        Assert.Equal(new DiskError(9, "pwrite"), file!.Write(0, "x"u8));
        file.Dispose();
    }

    [Fact]
    public void A_full_disk_is_an_error_number()
    {
        // /dev/full takes opens and refuses writes, as a full disk does.
        Assert.True(_disk.Open("/dev/full", DiskOpen.ReadWrite, out DiskFile? file).Ok);
        DiskError error = file!.Write(0, "x"u8);
        Assert.True(error.IsFull);
        Assert.Equal("pwrite", error.Operation);
        file.Dispose();
    }

    [Fact]
    public void A_sync_that_fails_says_so()
    {
        // A character device cannot be synced: EINVAL, where the runtime's own calls say nothing.
        Assert.True(_disk.Open("/dev/full", DiskOpen.ReadWrite, out DiskFile? file).Ok);
        Assert.Equal(new DiskError(22, "fdatasync"), file!.SyncData());
        file.Dispose();
    }

    [Fact]
    public void Directories_are_made_listed_and_synced()
    {
        string folder = Path("spool");
        Assert.True(_disk.CreateDirectory(folder).Ok);
        Assert.True(_disk.CreateDirectory(folder).Ok);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(folder));
        Create("spool/one").Dispose();
        Create("spool/zwei-ü").Dispose();
        Assert.True(_disk.Rename(Path("spool/one"), Path("spool/two")).Ok);
        Assert.True(_disk.SyncDirectory(folder).Ok);
        List<string> names = [];
        Assert.True(_disk.List(folder, names).Ok);
        Assert.Equal(["two", "zwei-ü"], names.Order(StringComparer.Ordinal));
        Assert.True(_disk.Delete(Path("spool/two")).Ok);
        Assert.Equal(2, _disk.Delete(Path("spool/two")).Errno);
        Assert.Equal(2, _disk.List(Path("nowhere"), names).Errno);
        Assert.Equal(2, _disk.SyncDirectory(Path("nowhere")).Errno);
        Create("plain").Dispose();
        Assert.Equal(17, _disk.CreateDirectory(Path("plain")).Errno);
    }

    [Fact]
    public void A_lock_has_one_holder()
    {
        Assert.True(_disk.Lock(Path("lock"), out IDisposable? held).Ok);
        Assert.Equal(new DiskError(11, "flock"), _disk.Lock(Path("lock"), out IDisposable? second));
        Assert.Null(second);
        held!.Dispose();
        Assert.True(_disk.Lock(Path("lock"), out held).Ok);
        held!.Dispose();
    }

    [Fact]
    public void Space_names_the_kind_of_the_file_system()
    {
        Assert.True(_disk.Space("/proc", out _).Ok);
        Assert.True(_disk.Space(_folder, out DiskSpace space).Ok);
        var drive = new DriveInfo(_folder);
        Assert.Equal(drive.TotalSize, space.TotalBytes);
        Assert.InRange(space.FreeBytes, 1, space.TotalBytes);
        Assert.NotEmpty(space.Kind);
        if (Directory.Exists("/dev/shm") && _disk.Space("/dev/shm", out DiskSpace shared).Ok)
        {
            Assert.Equal("tmpfs", shared.Kind);
        }
        Assert.Equal(2, _disk.Space(Path("nowhere"), out _).Errno);
    }

    [Fact]
    public void Populating_what_the_file_does_not_have_is_an_error_and_no_signal()
    {
        using DiskFile file = Create("a");
        Assert.True(file.ZeroFill(64 * 1024).Ok);
        Assert.True(file.Map(out DiskMap? map).Ok);
        File.WriteAllBytes(Path("a"), []);
        Assert.False(map!.Populate(0, 64 * 1024).Ok);
        map.Dispose();
    }

    [Fact]
    public void A_map_that_is_sliced_and_sent_allocates_nothing()
    {
        using DiskFile file = Create("a");
        Assert.True(file.ZeroFill(64 * 1024).Ok);
        Assert.True(file.Map(out DiskMap? map).Ok);
        int sum = map!.Memory(0, 100).Length;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000; i++)
        {
            sum += map.Memory(i, 100).Span.Length;
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(100_100, sum);
        map.Dispose();
    }

    [Fact]
    public void A_map_is_not_used_outside_its_range_or_after_its_end()
    {
        using DiskFile file = Create("a");
        Assert.True(file.ZeroFill(4096).Ok);
        Assert.True(file.Map(out DiskMap? map).Ok);
        Assert.Throws<CheckFailedException>(() => map!.Span(4_000, 97).Length);
        Assert.Throws<CheckFailedException>(() => map!.Span(-1, 1).Length);
        ReadOnlyMemory<byte> memory = map!.Memory(0, 10);
        map.Dispose();
        Assert.Throws<CheckFailedException>(() => memory.Span.Length);
        Assert.Throws<CheckFailedException>(() => map.Span(0, 1).Length);
    }

    [Fact]
    public void A_lane_runs_its_jobs_in_order_elsewhere_and_completes_them_on_the_loop()
    {
        List<int> executed = [];
        List<int> completed = [];
        int loopThread = Environment.CurrentManagedThreadId;
        List<int> threads = [];
        for (int i = 0; i < 200; i++)
        {
            int number = i;
            _disk.Submit(new Job(
                () =>
                {
                    executed.Add(number);
                    threads.Add(Environment.CurrentManagedThreadId);
                },
                () =>
                {
                    completed.Add(number);
                    Assert.Equal(loopThread, Environment.CurrentManagedThreadId);
                }), DiskLane.Write);
        }
        while (completed.Count < 200)
        {
            _loop.Turn(canSleep: true);
        }
        Assert.Equal(Enumerable.Range(0, 200), executed);
        Assert.Equal(Enumerable.Range(0, 200), completed);
        Assert.Single(threads.Distinct());
        Assert.NotEqual(loopThread, threads[0]);
    }

    [Fact]
    public void A_blocked_lane_does_not_stop_the_other()
    {
        using var gate = new ManualResetEventSlim();
        bool slow = false;
        bool fast = false;
        _disk.Submit(new Job(gate.Wait, () => slow = true), DiskLane.Write);
        _disk.Submit(new Job(() => { }, () => fast = true), DiskLane.Read);
        while (!fast)
        {
            _loop.Turn(canSleep: true);
        }
        Assert.False(slow);
        gate.Set();
        while (!slow)
        {
            _loop.Turn(canSleep: true);
        }
        Assert.True(slow);
    }

    [Fact]
    public void A_job_that_is_submitted_again_and_again_allocates_nothing()
    {
        int left = 3_000;
        long measured = -1;
        long before = 0;
        Job? job = null;
        job = new Job(() => { }, () =>
        {
            left--;
            if (left == 1_000)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }
            if (left == 0)
            {
                measured = GC.GetAllocatedBytesForCurrentThread() - before;
                return;
            }
            _disk.Submit(job!, DiskLane.Write);
        });
        _disk.Submit(job, DiskLane.Write);
        while (measured < 0)
        {
            _loop.Turn(canSleep: true);
        }
        Assert.Equal(0, measured);
    }

    [Fact]
    public void Offloaded_jobs_run_elsewhere_and_complete_on_the_loop()
    {
        using var offload = new LinuxOffload(_loop, threads: 2);
        int completed = 0;
        int loopThread = Environment.CurrentManagedThreadId;
        int wrongThread = 0;
        for (int i = 0; i < 100; i++)
        {
            offload.Submit(new Heavy(
                () => Interlocked.Add(ref wrongThread, Environment.CurrentManagedThreadId == loopThread ? 1 : 0),
                () => completed++));
        }
        while (completed < 100)
        {
            _loop.Turn(canSleep: true);
        }
        Assert.Equal(0, wrongThread);
    }

    public void Dispose()
    {
        _disk.Dispose();
        _poller.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private DiskFile Create(string name)
    {
        Assert.True(_disk.Open(Path(name), DiskOpen.CreateNew, out DiskFile? file).Ok);
        return file!;
    }

    private string Path(string name) => System.IO.Path.Combine(_folder, name);

    private sealed class Job(Action execute, Action complete) : DiskJob
    {
        protected internal override void Execute() => execute();

        protected internal override void Run() => complete();
    }

    private sealed class Heavy(Action execute, Action complete) : OffloadJob
    {
        protected internal override void Execute() => execute();

        protected internal override void Run() => complete();
    }
}
