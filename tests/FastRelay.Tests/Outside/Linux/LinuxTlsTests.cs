using System.IO.Pipelines;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using FastRelay.Outside;

namespace FastRelay.Tests.Outside;

/// <summary>STARTTLS on a link, as server and as client.</summary>
public sealed class LinuxTlsTests
{
    [Theory]
    [InlineData(SslProtocols.Tls13, "TLSv1.3 ")]
    [InlineData(SslProtocols.Tls12, "TLSv1.2 ")]
    public void Two_links_talk_in_cipher_after_they_talked_in_clear(SslProtocols protocols, string name)
    {
        using var rig = new LinuxLinkRig();
        (Link client, Link server) = rig.Pair();
        rig.Run(rig.WriteAsync(client, "STARTTLS\r\n"));
        Assert.Equal("STARTTLS\r\n", rig.Run(rig.ReadAsync(server, 10)));
        rig.Run(rig.WriteAsync(server, "220 go\r\n"));
        Assert.Equal("220 go\r\n", rig.Run(rig.ReadAsync(client, 8)));
        Shake(rig, client, server, protocols);
        Assert.StartsWith(name + "TLS_", client.TlsName);
        Assert.Equal(client.TlsName, server.TlsName);
        for (int i = 0; i < 20; i++)
        {
            Assert.True(rig.Run(rig.WriteAsync(client, "EHLO x\r\n")));
            Assert.Equal("EHLO x\r\n", rig.Run(rig.ReadAsync(server, 8)));
            Assert.True(rig.Run(rig.WriteAsync(server, "250 ok\r\n")));
            Assert.Equal("250 ok\r\n", rig.Run(rig.ReadAsync(client, 8)));
        }
        client.Close();
        ReadResult end = rig.Run(server.Input.ReadAsync());
        Assert.True(end.IsCompleted);
        Assert.Equal(LinkError.Eof, server.Error);
        server.Close();
        rig.Until(() => rig.Network.OpenLinks == 0);
        Assert.Equal(0, rig.RentedBuffers);
    }

    [Theory]
    [InlineData(SslProtocols.Tls13)]
    [InlineData(SslProtocols.Tls12)]
    public void A_large_message_arrives_whole_at_a_slow_reader(SslProtocols protocols)
    {
        using var rig = new LinuxLinkRig();
        (Link client, Link server) = rig.Pair();
        Shake(rig, client, server, protocols);
        byte[] body = new byte[8 << 20];
        new Random(1).NextBytes(body);
        client.Output.GetSpan(5)[..5].Fill((byte)'#');
        client.Output.Advance(5);
        ValueTask<FlushResult> write = client.Output.WriteAsync(body);
        for (int i = 0; i < 500; i++)
        {
            rig.Turn();
        }
        Assert.False(write.IsCompleted);
        using var received = new MemoryStream();
        rig.Run(async () =>
        {
            while (received.Length < body.Length + 5)
            {
                ReadResult result = await server.Input.ReadAsync();
                Assert.False(result.IsCompleted);
                received.Write(result.Buffer.FirstSpan);
                server.Input.AdvanceTo(result.Buffer.End);
            }
        });
        Assert.False(rig.Run(write).IsCompleted);
        Assert.True(received.ToArray().AsSpan(5).SequenceEqual(body));
        client.Close();
        server.Close();
    }

    [Fact]
    public void An_idle_link_owns_no_buffer()
    {
        using var rig = new LinuxLinkRig();
        (Link client, Link server) = rig.Pair();
        Shake(rig, client, server, SslProtocols.Tls13);
        ValueTask<ReadResult> serverRead = server.Input.ReadAsync();
        ValueTask<ReadResult> clientRead = client.Input.ReadAsync();
        for (int i = 0; i < 20; i++)
        {
            rig.Turn();
        }
        Assert.Equal(0, rig.RentedBuffers);
        rig.Run(rig.WriteAsync(client, "x"));
        ReadResult result = rig.Run(serverRead);
        Assert.Equal(1, rig.RentedBuffers);
        server.Input.AdvanceTo(result.Buffer.End);
        Assert.Equal(0, rig.RentedBuffers);
        client.Abort();
        Assert.True(rig.Run(clientRead).IsCompleted);
    }

    [Fact]
    public void Clear_text_behind_STARTTLS_is_dropped_and_counted_as_server()
    {
        using var rig = new LinuxLinkRig();
        (Link client, Link server) = rig.Pair();
        rig.Run(rig.WriteAsync(client, "STARTTLS\r\nMAIL FROM:<evil@example>\r\n"));
        Assert.Equal("STARTTLS\r\n", rig.Run(rig.ReadAsync(server, 10)));
        Task<TlsResult> serving = server.StartTlsAsync(new ServerTls(TestCertificate.Server(SslProtocols.Tls13))).AsTask();
        Task<TlsResult> connecting = client.StartTlsAsync(TestCertificate.Client(SslProtocols.Tls13)).AsTask();
        rig.Until(() => serving.IsCompleted && connecting.IsCompleted);
        Assert.True(serving.Result.Ok, serving.Result.Reason);
        Assert.Equal(26, serving.Result.Dropped);
        rig.Run(rig.WriteAsync(client, "EHLO x\r\n"));
        Assert.Equal("EHLO x\r\n", rig.Run(rig.ReadAsync(server, 8)));
    }

    [Fact]
    public void Clear_text_behind_the_reply_to_STARTTLS_is_dropped_and_counted_as_client()
    {
        using var rig = new LinuxLinkRig();
        (Link client, Link server) = rig.Pair();
        rig.Run(rig.WriteAsync(server, "220 go\r\n250 forged\r\n"));
        Assert.Equal("220 go\r\n", rig.Run(rig.ReadAsync(client, 8)));
        Task<TlsResult> serving = server.StartTlsAsync(new ServerTls(TestCertificate.Server(SslProtocols.Tls13))).AsTask();
        Task<TlsResult> connecting = client.StartTlsAsync(TestCertificate.Client(SslProtocols.Tls13)).AsTask();
        rig.Until(() => serving.IsCompleted && connecting.IsCompleted);
        Assert.True(connecting.Result.Ok, connecting.Result.Reason);
        Assert.Equal(12, connecting.Result.Dropped);
    }

    [Fact]
    public void A_garbage_handshake_fails_with_a_reason_and_closes_only_its_own_link()
    {
        using var rig = new LinuxLinkRig();
        (Link client, Link server) = rig.Pair();
        Shake(rig, client, server, SslProtocols.Tls13);
        (Link link, RigPeer peer) = rig.Accept();
        Task<TlsResult> serving = link.StartTlsAsync(new ServerTls(TestCertificate.Server(SslProtocols.Tls13))).AsTask();
        peer.Send("EHLO this is not a handshake, is it?\r\n");
        rig.Until(() => serving.IsCompleted);
        Assert.False(serving.Result.Ok);
        Assert.NotEmpty(serving.Result.Reason);
        Assert.Equal(LinkError.Tls, link.Error);
        Assert.True(rig.Run(link.Input.ReadAsync()).IsCompleted);
        Assert.False(rig.Run(rig.WriteAsync(link, "no")));
        link.Close();
        rig.Until(() => peer.SawEnd || peer.SawReset);
        rig.Run(rig.WriteAsync(client, "still here"));
        Assert.Equal("still here", rig.Run(rig.ReadAsync(server, 10)));
    }

    [Fact]
    public void Garbage_after_the_handshake_is_a_TLS_error()
    {
        using var rig = new LinuxLinkRig();
        (Link link, RigPeer peer) = rig.Accept();
        (Task<TlsResult> serving, SslStream stream, Socket socket) = StartClient(rig, link, peer);
        rig.Until(() => serving.IsCompleted && stream.IsAuthenticated);
        socket.Send(Encoding.ASCII.GetBytes("\u0017\u0003\u0003\0\u0020" + new string('z', 32)));
        Assert.True(rig.Run(link.Input.ReadAsync()).IsCompleted);
        Assert.Equal(LinkError.Tls, link.Error);
        link.Close();
        Assert.Equal(0, rig.RentedBuffers);
    }

    [Fact]
    public void A_certificate_that_nobody_vouches_for_is_refused_with_a_reason()
    {
        using var rig = new LinuxLinkRig();
        (Link client, Link server) = rig.Pair();
        Task<TlsResult> serving = server.StartTlsAsync(new ServerTls(TestCertificate.Server(SslProtocols.Tls13))).AsTask();
        Task<TlsResult> connecting = client.StartTlsAsync(TestCertificate.Client(SslProtocols.Tls13, trusting: false)).AsTask();
        rig.Until(() => connecting.IsCompleted);
        Assert.False(connecting.Result.Ok);
        Assert.Contains("certificate", connecting.Result.Reason, StringComparison.OrdinalIgnoreCase);
        client.Close();
        Assert.True(rig.Run(server.Input.ReadAsync()).IsCompleted || serving.IsCompleted);
    }

    [Fact]
    public void Aborting_ends_a_handshake_whose_peer_is_silent()
    {
        using var rig = new LinuxLinkRig();
        (Link link, RigPeer _) = rig.Accept();
        Task<TlsResult> serving = link.StartTlsAsync(new ServerTls(TestCertificate.Server(SslProtocols.Tls13))).AsTask();
        rig.Turn();
        Assert.False(serving.IsCompleted);
        link.Abort();
        rig.Until(() => serving.IsCompleted);
        Assert.False(serving.Result.Ok);
        Assert.Equal(LinkError.Aborted, link.Error);
        link.Close();
        Assert.Equal(0, rig.RentedBuffers);
    }

    [Fact]
    public void A_cancelled_read_leaves_the_link_able_to_say_goodbye()
    {
        using var rig = new LinuxLinkRig();
        (Link client, Link server) = rig.Pair();
        Shake(rig, client, server, SslProtocols.Tls13);
        ValueTask<ReadResult> read = server.Input.ReadAsync();
        rig.Turn();
        server.CancelRead();
        Assert.True(rig.Run(read).IsCanceled);
        Assert.True(rig.Run(rig.WriteAsync(server, "421 closing\r\n")));
        server.Close();
        Assert.Equal("421 closing\r\n", rig.Run(rig.ReadAsync(client, 13)));
        Assert.True(rig.Run(client.Input.ReadAsync()).IsCompleted);
        client.Close();
        rig.Until(() => rig.Network.OpenLinks == 0);
        Assert.Equal(0, rig.RentedBuffers);
    }

    [Fact]
    public void Every_step_of_a_handshake_and_of_a_talk_stays_on_the_loops_thread()
    {
        using var rig = new LinuxLinkRig();
        (Link client, Link server) = rig.Pair();
        int thread = Environment.CurrentManagedThreadId;
        int elsewhere = 0;
        async ValueTask Serve()
        {
            Assert.True((await server.StartTlsAsync(new ServerTls(TestCertificate.Server(SslProtocols.None)))).Ok);
            elsewhere += Environment.CurrentManagedThreadId == thread ? 0 : 1;
            for (int i = 0; i < 50; i++)
            {
                await rig.ReadAsync(server, 4);
                elsewhere += Environment.CurrentManagedThreadId == thread ? 0 : 1;
                await rig.WriteAsync(server, "pong");
                elsewhere += Environment.CurrentManagedThreadId == thread ? 0 : 1;
            }
        }
        async ValueTask Talk()
        {
            Assert.True((await client.StartTlsAsync(TestCertificate.Client(SslProtocols.None))).Ok);
            elsewhere += Environment.CurrentManagedThreadId == thread ? 0 : 1;
            for (int i = 0; i < 50; i++)
            {
                await rig.WriteAsync(client, "ping");
                elsewhere += Environment.CurrentManagedThreadId == thread ? 0 : 1;
                await rig.ReadAsync(client, 4);
                elsewhere += Environment.CurrentManagedThreadId == thread ? 0 : 1;
            }
        }
        Task serving = Serve().AsTask();
        rig.Run(Talk);
        rig.Until(() => serving.IsCompleted);
        serving.GetAwaiter().GetResult();
        Assert.Equal(0, elsewhere);
    }

    [Fact]
    public void A_blocking_client_shakes_hands_and_sees_an_orderly_end()
    {
        using var rig = new LinuxLinkRig();
        (Link link, RigPeer peer) = rig.Accept();
        (Task<TlsResult> serving, SslStream stream, _) = StartClient(rig, link, peer);
        rig.Until(() => serving.IsCompleted && stream.IsAuthenticated);
        Assert.True(serving.Result.Ok, serving.Result.Reason);
        stream.Write("hello"u8);
        Assert.Equal("hello", rig.Run(rig.ReadAsync(link, 5)));
        link.Close();
        byte[] buffer = new byte[10];
        // close_notify came: an orderly end and not a torn one.
        Assert.Equal(0, stream.Read(buffer));
    }

    [Theory]
    [InlineData(SslProtocols.Tls13)]
    [InlineData(SslProtocols.Tls12)]
    public void The_arithmetic_of_a_handshake_runs_off_the_loop_on_both_sides(SslProtocols protocols)
    {
        using var rig = new LinuxLinkRig();
        (Link client, Link server) = rig.Pair();
        SslServerAuthenticationOptions serves = TestCertificate.Server(protocols);
        SslClientAuthenticationOptions connects = TestCertificate.Client(protocols);
        X509Certificate2 certificate = serves.ServerCertificateContext!.TargetCertificate;
        string? signs = null;
        string? checks = null;
        serves.ServerCertificateContext = null;
        serves.ServerCertificateSelectionCallback = (_, _) =>
        {
            signs = Thread.CurrentThread.Name;
            return certificate;
        };
        connects.RemoteCertificateValidationCallback = (_, _, _, _) =>
        {
            checks = Thread.CurrentThread.Name;
            return true;
        };
        Task<TlsResult> serving = server.StartTlsAsync(new ServerTls(serves)).AsTask();
        Task<TlsResult> connecting = client.StartTlsAsync(connects).AsTask();
        rig.Until(() => serving.IsCompleted && connecting.IsCompleted);
        Assert.True(serving.Result.Ok && connecting.Result.Ok);
        Assert.Equal("offload", signs);
        Assert.Equal("offload", checks);
        client.Close();
        server.Close();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_link_that_ends_while_its_handshake_computes_ends_the_handshake(bool closes)
    {
        for (int turns = 0; turns < 12; turns++)
        {
            using var rig = new LinuxLinkRig();
            (Link client, Link server) = rig.Pair();
            Task<TlsResult> serving = server.StartTlsAsync(new ServerTls(TestCertificate.Server(SslProtocols.Tls13))).AsTask();
            Task<TlsResult> connecting = client.StartTlsAsync(TestCertificate.Client(SslProtocols.Tls13)).AsTask();
            for (int i = 0; i < turns; i++)
            {
                rig.Turn();
            }
            bool shaken = serving.IsCompleted;
            if (closes)
            {
                server.Close();
            }
            else
            {
                server.Abort();
            }
            rig.Until(() => serving.IsCompleted && connecting.IsCompleted);
            Assert.Equal(shaken, serving.Result.Ok);
            client.Close();
            server.Close();
            rig.Until(() => rig.Network.OpenLinks == 0);
        }
    }

    internal static void Shake(LinkRig rig, Link client, Link server, SslProtocols protocols)
    {
        Task<TlsResult> serving = server.StartTlsAsync(new ServerTls(TestCertificate.Server(protocols))).AsTask();
        Task<TlsResult> connecting = client.StartTlsAsync(TestCertificate.Client(protocols)).AsTask();
        rig.Until(() => serving.IsCompleted && connecting.IsCompleted);
        Assert.True(serving.Result.Ok, serving.Result.Reason);
        Assert.True(connecting.Result.Ok, connecting.Result.Reason);
        Assert.Equal(0, serving.Result.Dropped);
    }

    /// <summary>A blocking client on a thread of its own, so that it is no code of ours at the other end.</summary>
    private static (Task<TlsResult> Serving, SslStream Stream, Socket Socket) StartClient(LinuxLinkRig rig, Link link, RigPeer peer)
    {
        peer.Reads = false;
        Socket socket = LinuxLinkRig.SocketOf(peer);
        socket.Blocking = true;
        var stream = new SslStream(new NetworkStream(socket), false);
        var thread = new Thread(() => stream.AuthenticateAsClient(TestCertificate.Client(SslProtocols.Tls13))) { IsBackground = true };
        thread.Start();
        Task<TlsResult> serving = link.StartTlsAsync(new ServerTls(TestCertificate.Server(SslProtocols.Tls13))).AsTask();
        return (serving, stream, socket);
    }
}
