using System.Diagnostics;
using System.Text;
using FastRelay.Outside;
using FastRelay.Outside.Linux;

namespace FastRelay.Tests.Outside;

public sealed class AppendFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("append").FullName;

    private string PathOf(string name) => Path.Combine(_folder, name);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static byte[] Line(string text) => Encoding.ASCII.GetBytes(text + "\n");

    private static void Until(Func<bool> isSo) => Assert.True(SpinWait.SpinUntil(isSo, 30_000), "still waiting");

    [Fact]
    public void Lines_go_behind_what_is_there_in_order_and_an_end_that_is_missing_is_made()
    {
        File.WriteAllText(PathOf("events"), "old\nhalf a li");
        using (var file = new AppendFile(PathOf("events"), 1_024))
        {
            for (int i = 0; i < 500; i++)
            {
                byte[] line = Line($"line {i}");
                Until(() => file.TryWrite(line));
            }
        }
        Assert.Equal(["old", "half a li", .. Enumerable.Range(0, 500).Select(i => $"line {i}")], File.ReadAllLines(PathOf("events")));
    }

    [Fact]
    public void A_file_that_was_renamed_away_is_followed_by_a_new_one_and_no_line_is_torn()
    {
        using (var file = new AppendFile(PathOf("events"), 4_096))
        {
            int written = 0;
            for (int turn = 0; turn < 20; turn++)
            {
                for (int i = 0; i < 50; i++)
                {
                    byte[] line = Line($"line {written++}");
                    Until(() => file.TryWrite(line));
                }
                File.Move(PathOf("events"), PathOf($"events.{turn:D2}"));
                file.Reopen();
                Until(() => File.Exists(PathOf("events")));
            }
        }
        string[] lines = [.. Enumerable.Range(0, 20).Select(turn => PathOf($"events.{turn:D2}")).Append(PathOf("events")).SelectMany(File.ReadAllLines)];
        Assert.Equal(Enumerable.Range(0, 1_000).Select(i => $"line {i}"), lines);
    }

    [Fact]
    public void A_folder_that_is_missing_is_waited_for_and_what_waits_is_not_lost()
    {
        string path = PathOf("later/events");
        using (var file = new AppendFile(path, 64))
        {
            Assert.Equal(2, file.Errno);
            Assert.True(file.TryWrite(Line("first")));
            Assert.True(file.TryWrite(Line("second")));
            Directory.CreateDirectory(PathOf("later"));
            Until(() => File.Exists(path) && File.ReadAllLines(path).Length == 2);
            Until(() => file.Errno == 0);
        }
        Assert.Equal(["first", "second"], File.ReadAllLines(path));
    }

    [Fact]
    public void A_full_disk_refuses_what_finds_no_room_and_goes_on_when_there_is_some()
    {
        // /dev/full is a disk without room; the path leads to it until it leads to a file.
        File.CreateSymbolicLink(PathOf("events"), "/dev/full");
        using var file = new AppendFile(PathOf("events"), 60);
        int taken = 0;
        while (file.TryWrite(Line($"line {taken}")) && taken < 100)
        {
            taken++;
        }
        Assert.InRange(taken, 6, 9);
        Until(() => file.Errno == 28);
        Assert.False(file.TryWrite(Line("no room")));
        Assert.Equal(2, file.Dropped);
        File.Delete(PathOf("events"));
        file.Reopen();
        Until(() => file.TryWrite(Line("last")));
        file.Dispose();
        string[] lines = File.ReadAllLines(PathOf("events"));
        Assert.Equal([.. Enumerable.Range(0, taken).Select(i => $"line {i}"), "last"], lines);
    }

    [Fact]
    public void Lines_that_wait_too_long_make_room_and_one_line_stands_in_their_place()
    {
        File.CreateSymbolicLink(PathOf("events"), "/dev/full");
        var stale = new Numbered();
        // Seven lines and a half: they go round the ring's end in the middle, too.
        using (var file = new AppendFile(PathOf("events"), 60, stale))
        {
            for (int i = 0; i < 20; i++)
            {
                byte[] line = Line($"line {i:D2}");
                stale.Below = Math.Max(0, i - 3);
                Until(() => file.TryWrite(line));
            }
            File.Delete(PathOf("events"));
            file.Reopen();
        }
        string[] lines = File.ReadAllLines(PathOf("events"));
        string[] kept = [.. lines.Where(static line => line.StartsWith("line", StringComparison.Ordinal))];
        int missing = lines.Except(kept).Sum(static line => int.Parse(line["missing ".Length..], System.Globalization.CultureInfo.InvariantCulture));
        Assert.InRange(kept.Length, 4, 7);
        Assert.Equal(Enumerable.Range(20 - kept.Length, kept.Length).Select(i => $"line {i:D2}"), kept);
        Assert.Equal(20, kept.Length + missing);
        Assert.Equal(kept, lines[^kept.Length..]);
    }

    [Fact]
    public void What_is_to_be_kept_is_synced_and_lines_go_on_meanwhile_also_over_a_rename()
    {
        using var file = new AppendFile(PathOf("events"), 4_096);
        Assert.Equal(0, file.Kept);
        for (int turn = 0; turn < 5; turn++)
        {
            for (int i = 0; i < 50; i++)
            {
                byte[] line = Line($"line {i}");
                Until(() => file.TryWrite(line));
            }
            long mark = file.Taken;
            Assert.True(file.Kept < mark);
            Until(() =>
            {
                file.MakeDurable();
                return file.Kept >= mark;
            });
            Assert.True(file.Passed >= mark);
            File.Move(PathOf("events"), PathOf($"events.{turn}"));
            file.Reopen();
            Until(() => File.Exists(PathOf("events")));
        }
    }

    [Fact]
    public void What_is_not_written_is_not_kept_and_a_device_has_nothing_to_sync()
    {
        using (var full = new AppendFile("/dev/full", 1_024))
        {
            Assert.True(full.TryWrite(Line("line")));
            full.MakeDurable();
            Until(() => full.Errno == 28);
            full.MakeDurable();
            Assert.Equal(0, full.Kept);
        }
        using var nothing = new AppendFile("/dev/null", 1_024);
        Assert.True(nothing.TryWrite(Line("line")));
        nothing.MakeDurable();
        Until(() => nothing.Kept == 5);
    }

    private sealed class Numbered : StaleLines
    {
        private int _missing;

        public int Below { get; set; }

        public override bool Take(ReadOnlySpan<byte> line)
        {
            Assert.Equal(8, line.Length);
            bool stale = int.Parse(line[5..7], System.Globalization.CultureInfo.InvariantCulture) < Below;
            _missing += stale ? 1 : 0;
            return stale;
        }

        public override int Instead(Span<byte> into)
        {
            if (_missing == 0)
            {
                return 0;
            }
            byte[] text = Line($"missing {_missing}");
            text.CopyTo(into);
            _missing = 0;
            return text.Length;
        }
    }

    [Fact]
    public void A_pipe_that_nobody_reads_holds_up_nobody_and_its_reader_gets_whole_lines()
    {
        string path = PathOf("pipe");
        using (Process made = Process.Start("mkfifo", [path])!)
        {
            made.WaitForExit();
        }
        using var keeper = new FileStream(path, FileMode.Open, FileAccess.ReadWrite);
        byte[] line = Line(new string('x', 999));
        using (var file = new AppendFile(path, 8_000))
        {
            int taken = 0;
            Until(() =>
            {
                taken += file.TryWrite(line) ? 1 : 0;
                return file.Dropped > 0 && taken >= 60;
            });
            var buffer = new byte[1_000];
            for (int i = 0; i < taken; i++)
            {
                keeper.ReadExactly(buffer);
                Assert.Equal(line, buffer);
            }
        }
    }
}
