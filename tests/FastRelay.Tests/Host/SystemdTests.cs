using System.Net;
using System.Net.Sockets;
using System.Text;
using FastRelay.Config;
using FastRelay.Host.Systemd;
using FastRelay.Outside;
using FastRelay.Tests.Support;

namespace FastRelay.Tests.Host;

public class SystemdTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_manager_hears_every_change_by_path_and_by_abstract_name(bool isAbstract)
    {
        string folder = Directory.CreateTempSubdirectory("fastrelay-").FullName;
        string name = isAbstract ? $"@fastrelay-test-{Environment.ProcessId}-{Guid.NewGuid():N}" : Path.Combine(folder, "notify");
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 20_000 };
        manager.Bind(new UnixDomainSocketEndPoint(isAbstract ? "\0" + name[1..] : name));
        using (var notifier = new ServiceNotifier(name))
        {
            notifier.Ready("3 messages");
            notifier.Reloading();
            notifier.Alive();
            notifier.Stopping();
        }
        Assert.Equal("READY=1\nSTATUS=3 messages", Hear(manager));
        Assert.Matches(@"^RELOADING=1\nMONOTONIC_USEC=[0-9]+$", Hear(manager));
        Assert.Equal("WATCHDOG=1", Hear(manager));
        Assert.StartsWith("STOPPING=1\n", Hear(manager));
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("vsock:2:1234")]
    [InlineData("/nowhere/at/all")]
    public void Nobody_who_listens_is_no_trouble(string? name)
    {
        using var notifier = new ServiceNotifier(name);
        notifier.Ready("x");
        notifier.Alive();
    }

    [Theory]
    [InlineData("30000000", null, 15_000)]
    [InlineData("30000000", "7", 15_000)]
    [InlineData("30000000", "8", 0)]
    [InlineData("1", "7", 1)]
    [InlineData("0", "7", 0)]
    [InlineData("-5", "7", 0)]
    [InlineData("x", null, 0)]
    [InlineData(null, null, 0)]
    public void The_watchdog_is_told_twice_as_often_as_it_wants_to_hear(string? microseconds, string? process, long expected) =>
        Assert.Equal(expected, LoopWatchdog.Interval(microseconds, process, 7));

    [Fact]
    public void The_watchdog_hears_of_a_loop_that_turns_and_not_of_one_that_stands()
    {
        string name = $"@fastrelay-test-{Environment.ProcessId}-{Guid.NewGuid():N}";
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
        manager.Bind(new UnixDomainSocketEndPoint("\0" + name[1..]));
        using var notifier = new ServiceNotifier(name);
        var loop = new ManualLoop();
        new LoopWatchdog(loop.Loop, notifier, 1_000).Start();
        Assert.Equal(1, Heard(manager));
        // Time alone does nothing: the loop has to take its turns.
        loop.Time.Advance(10_000);
        Assert.Equal(0, Heard(manager));
        loop.Pass(5_000, 500);
        Assert.InRange(Heard(manager), 4, 6);
    }

    [Theory]
    [InlineData("7", "2", new[] { 3, 4 })]
    [InlineData("8", "2", new int[0])]
    [InlineData("7", "0", new int[0])]
    [InlineData("7", "99999", new int[0])]
    [InlineData("7", "x", new int[0])]
    [InlineData(null, "1", new int[0])]
    [InlineData("7", null, new int[0])]
    public void Descriptors_are_taken_only_when_they_are_meant_for_us(string? process, string? count, int[] expected) =>
        Assert.Equal(expected, ActivationSockets.Descriptors(process, count, 7));

    [Fact]
    public void A_socket_without_a_listener_is_refused_with_both_sides_named()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        int fd = (int)socket.SafeHandle.DangerousGetHandle();
        RelayConfig config = RelayConfig.Default("relay.test", "/srv");
        Assert.Contains("is no TCP socket that listens", ActivationSockets.Problem([fd], config));
        socket.Listen();
        Assert.Equal(
            $"the socket unit listens on {socket.LocalEndPoint}, and no [[listen]] has that address: there is 127.0.0.1:2525",
            ActivationSockets.Problem([fd], config));
        Assert.Null(ActivationSockets.Problem([fd], config with { Listen = [new ListenConfig((IPEndPoint)socket.LocalEndPoint!, ListenTls.None)] }));
        Assert.Null(ActivationSockets.Problem([], config));
    }

    [Fact]
    public async Task What_is_said_to_standard_error_tells_the_journal_how_serious_it_is()
    {
        using var kept = new StringWriter();
        using (var error = new JournalText(kept))
        {
            await error.WriteAsync("fastrelay 1.0, process 7\n  queue       3 messages\nwarning: a segment is damaged\n");
            await error.WriteLineAsync("relay.toml:3: nonsense: unknown key");
            await error.WriteLineAsync("warning: relay.toml:4: is no address of this machine");
            await error.WriteLineAsync("fastrelay: check failed\n   at Relay.Run()");
        }
        Assert.Equal(
            "fastrelay 1.0, process 7\n  queue       3 messages\n<4>warning: a segment is damaged\n<3>relay.toml:3: nonsense: unknown key\n"
                + "<4>warning: relay.toml:4: is no address of this machine\n<3>fastrelay: check failed\n<3>   at Relay.Run()\n",
            kept.ToString());
    }

    private static string Hear(Socket manager)
    {
        byte[] buffer = new byte[4096];
        return Encoding.UTF8.GetString(buffer, 0, manager.Receive(buffer));
    }

    private static int Heard(Socket manager)
    {
        int count = 0;
        byte[] buffer = new byte[4096];
        while (manager.Available > 0)
        {
            Assert.Equal("WATCHDOG=1", Encoding.UTF8.GetString(buffer, 0, manager.Receive(buffer)));
            count++;
        }
        return count;
    }
}
