using System.IO.Pipes;
using System.Text;
using FastRelay.Outside.Linux;

namespace FastRelay.Tests.Outside;

/// <summary>Lines to a pipe whose reader reads, has stopped, or has left.</summary>
public sealed class LinuxOutputTests
{
    [Fact]
    public void Lines_arrive_in_order_and_whole()
    {
        using var pipe = new AnonymousPipeServerStream(PipeDirection.In);
        var expected = new StringBuilder();
        using (var output = new LinuxOutput(Fd(pipe)))
        {
            for (int i = 0; i < 1_000; i++)
            {
                string line = $"line {i} {new string('x', i % 50)}\n";
                expected.Append(line);
                Assert.True(output.TryWrite(Encoding.ASCII.GetBytes(line)));
            }
        }
        pipe.ClientSafePipeHandle.Dispose();
        Assert.Equal(expected.ToString(), new StreamReader(pipe).ReadToEnd());
    }

    [Fact]
    public void It_leads_to_the_journal_when_it_is_the_descriptor_that_systemd_names()
    {
        using var pipe = new AnonymousPipeServerStream(PipeDirection.In);
        using var other = new AnonymousPipeServerStream(PipeDirection.In);
        // What stat(1) calls it is what systemd writes into JOURNAL_STREAM.
        using var stat = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("stat", ["-L", "-c", "%d:%i", $"/proc/{Environment.ProcessId}/fd/{Fd(pipe)}"]) { RedirectStandardOutput = true })!;
        string stream = stat.StandardOutput.ReadToEnd().Trim();
        Assert.Matches("^[0-9]+:[0-9]+$", stream);
        foreach ((AnonymousPipeServerStream to, string? named, bool expected) in ((AnonymousPipeServerStream, string?, bool)[])[(pipe, stream, true), (other, stream, false), (pipe, null, false), (pipe, "", false), (pipe, "1:2", false)])
        {
            using var output = new LinuxOutput(Fd(to), named);
            Assert.Equal(expected, output.IsJournal);
        }
    }

    [Fact]
    public void A_reader_that_has_stopped_costs_lines_and_no_time_and_the_lines_that_arrive_are_whole()
    {
        using var pipe = new AnonymousPipeServerStream(PipeDirection.In);
        var output = new LinuxOutput(Fd(pipe));
        byte[] line = Encoding.ASCII.GetBytes(new string('x', 999) + "\n");
        int taken = 0;
        for (int i = 0; i < 3_000; i++)
        {
            taken += output.TryWrite(line) ? 1 : 0;
        }
        Assert.InRange(taken, 1_000, 2_000);
        Assert.Equal(3_000 - taken, output.Dropped);
        Assert.False(output.WaitForRoom(line.Length, TimeSpan.FromMilliseconds(20)));
        string all = "";
        var reader = new Thread(() => all = new StreamReader(pipe).ReadToEnd());
        reader.Start();
        Assert.True(output.WaitForRoom(line.Length, TimeSpan.FromMinutes(1)));
        output.Dispose();
        pipe.ClientSafePipeHandle.Dispose();
        reader.Join();
        string[] lines = all.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(taken, lines.Length);
        Assert.All(lines, text => Assert.Equal(999, text.Length));
    }

    [Fact]
    public void A_reader_that_has_left_costs_lines_which_are_counted()
    {
        var pipe = new AnonymousPipeServerStream(PipeDirection.In);
        int fd = Fd(pipe);
        pipe.SafePipeHandle.Dispose();
        var output = new LinuxOutput(fd);
        Assert.True(output.TryWrite("one\n"u8));
        Assert.True(output.TryWrite("two\n"u8));
        output.Dispose();
        Assert.Equal(2, output.Dropped);
        Assert.False(output.TryWrite("three\n"u8));
        Assert.Equal(3, output.Dropped);
        pipe.ClientSafePipeHandle.Dispose();
    }

    [Fact]
    public void A_line_allocates_nothing()
    {
        using var pipe = new AnonymousPipeServerStream(PipeDirection.In);
        using (var output = new LinuxOutput(Fd(pipe)))
        {
            Assert.True(output.TryWrite("warm\n"u8));
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 100; i++)
            {
                Assert.True(output.TryWrite("line\n"u8));
            }
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        pipe.ClientSafePipeHandle.Dispose();
    }

    private static int Fd(AnonymousPipeServerStream pipe) => (int)pipe.ClientSafePipeHandle.DangerousGetHandle();
}
