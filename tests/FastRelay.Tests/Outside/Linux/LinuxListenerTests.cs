using System.Net;
using System.Net.Sockets;
using FastRelay.Outside;
using FastRelay.Outside.Linux;

namespace FastRelay.Tests.Outside;

/// <summary>Listening, dialling, and events of descriptors that are gone.</summary>
[Collection("Descriptors")]
public sealed class LinuxListenerTests
{
    [Fact]
    public void Closing_a_listener_ends_a_waiting_accept_with_nothing()
    {
        using var rig = new LinuxLinkRig();
        ValueTask<Link?> accept = rig.Listener.AcceptAsync();
        rig.Listener.Close();
        Assert.Null(rig.Run(accept));
        Assert.Null(rig.Run(rig.Listener.AcceptAsync()));
    }

    [Fact]
    public void A_peer_that_closes_is_known_to_be_gone_without_reading()
    {
        using var rig = new LinuxLinkRig();
        (Link link, RigPeer peer) = rig.Accept();
        Assert.False(link.PeerGone);
        LinuxLinkRig.SocketOf(peer).Shutdown(SocketShutdown.Send);
        rig.Until(() => link.PeerGone);
        Assert.Equal(LinkError.None, link.Error);
        link.Abort();
    }

    [Fact]
    public void A_taken_port_and_a_foreign_address_are_error_numbers()
    {
        using var rig = new LinuxLinkRig();
        Assert.Equal(98, rig.Network.Listen(rig.Listener.EndPoint, out Listener? taken));
        Assert.Null(taken);
        Assert.Equal(99, rig.Network.Listen(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 0), out _));
    }

    [Fact]
    public void A_socket_that_was_handed_over_serves_its_address_and_no_other()
    {
        // Given away below: disposing of it would wait for ever for a handle that is not its own any more.
        var made = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        made.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        made.Listen(16);
        var address = (IPEndPoint)made.LocalEndPoint!;
        int fd = (int)made.SafeHandle.DangerousGetHandle();
        Assert.Equal(address, LinuxSockets.ListeningOn(fd));
        Assert.Null(LinuxSockets.ListeningOn(999_999));
        // It waits in the backlog from before there was a relay.
        using var client = new TcpClient(AddressFamily.InterNetwork);
        client.Connect(address);
        using var rig = new LinuxLinkRig([fd]);
        made.SafeHandle.SetHandleAsInvalid();
        // The address is taken by a socket of ours: only its own listener gets it.
        Assert.Equal(0, rig.Network.Listen(new IPEndPoint(IPAddress.Loopback, 0), out Listener? other));
        Assert.NotEqual(address, other!.EndPoint);
        Assert.Equal(0, rig.Network.Listen(address, out Listener? listener));
        Assert.Equal(address, listener!.EndPoint);
        Link? link = rig.Run(listener.AcceptAsync());
        Assert.Equal(client.Client.LocalEndPoint, link!.Remote);
        // A second time it is an address like any other, and taken.
        Assert.Equal(98, rig.Network.Listen(address, out _));
        link.Abort();
    }

    [Fact]
    public void One_port_serves_both_families_by_a_listener_each()
    {
        using var rig = new LinuxLinkRig();
        if (rig.Network.Listen(new IPEndPoint(IPAddress.IPv6Any, 0), out Listener? six) != 0)
        {
            // A host without IPv6 has nothing to prove here but that it says so.
            Assert.Null(six);
            return;
        }
        Assert.Equal(0, rig.Network.Listen(new IPEndPoint(IPAddress.Any, six!.EndPoint.Port), out Listener? four));
        foreach ((IPAddress address, Listener listener) in new[] { (IPAddress.IPv6Loopback, six), (IPAddress.Loopback, four!) })
        {
            ValueTask<DialResult> dial = rig.Network.ConnectAsync(new IPEndPoint(address, listener.EndPoint.Port), null, 5_000);
            Link? link = rig.Run(listener.AcceptAsync());
            DialResult result = rig.Run(dial);
            Assert.Equal(address, link!.Remote.Address);
            // The listener has no address of its own: the link finds out.
            Assert.Equal(result.Link!.Remote, link.Local);
            link.Abort();
            result.Link.Abort();
        }
        six.Close();
        four!.Close();
    }

    [Fact]
    public void A_dial_uses_the_source_address_that_it_is_given()
    {
        using var rig = new LinuxLinkRig();
        DialResult result = rig.Run(rig.Network.ConnectAsync(rig.Listener.EndPoint, IPAddress.Parse("127.0.0.7"), 5_000));
        Link? link = rig.Run(rig.Listener.AcceptAsync());
        Assert.Equal(IPAddress.Parse("127.0.0.7"), link!.Remote.Address);
        Assert.Equal(result.Link!.Local, link.Remote);
    }

    [Theory]
    [InlineData("127.0.0.7", 1)]
    [InlineData(null, 0)]
    public void A_bound_source_leaves_the_choice_of_the_port_to_the_connect(string? source, int expected)
    {
        // Else a source has one port for each connection, whatever it goes to (IP_BIND_ADDRESS_NO_PORT, ip(7)).
        using var rig = new LinuxLinkRig();
        DialResult result = rig.Run(rig.Network.ConnectAsync(rig.Listener.EndPoint, source is null ? null : IPAddress.Parse(source), 5_000));
        const int Domain = 39;
        const int Ipv4 = 2;
        int own = Enumerable.Range(3, 4_096).First(fd => Libc.GetOption(fd, Libc.SOL_SOCKET, Domain) == Ipv4 && result.Link!.Local.Equals(EpollNetwork.LocalEndPoint(fd)));
        Assert.Equal(expected, Libc.GetOption(own, Libc.SOL_IP, Libc.IP_BIND_ADDRESS_NO_PORT));
        result.Link!.Abort();
    }

    [Fact]
    public void A_source_address_that_is_not_ours_is_an_error_number()
    {
        using var rig = new LinuxLinkRig();
        DialResult result = rig.Run(rig.Network.ConnectAsync(rig.Listener.EndPoint, IPAddress.Parse("192.0.2.1"), 5_000));
        Assert.Equal(99, result.Errno);
    }

    [Fact]
    public void A_dial_without_an_answer_ends_by_its_timeout()
    {
        using var rig = new LinuxLinkRig();
        // A full backlog answers no more SYNs.
        using var deaf = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        deaf.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        deaf.Listen(0);
        var remote = (IPEndPoint)deaf.LocalEndPoint!;
        List<Task<DialResult>> dials = [];
        for (int i = 0; i < 8; i++)
        {
            dials.Add(rig.Network.ConnectAsync(remote, null, 200).AsTask());
        }
        List<DialResult> results = [.. dials.Select(dial => rig.Run(new ValueTask<DialResult>(dial)))];
        Assert.Contains(results, result => result.Errno == 110 && result.Link is null);
        Assert.All(results, result => Assert.True(result.Errno is 0 or 110));
    }

    [Fact]
    public void Own_addresses_are_known()
    {
        using var rig = new LinuxLinkRig();
        Assert.True(rig.Network.IsOwnAddress(IPAddress.Loopback));
        Assert.True(rig.Network.IsOwnAddress(IPAddress.Parse("127.9.9.9")));
        Assert.True(rig.Network.IsOwnAddress(IPAddress.IPv6Loopback));
        Assert.True(rig.Network.IsOwnAddress(IPAddress.Parse("::ffff:127.0.0.1")));
        Assert.True(rig.Network.IsOwnAddress(IPAddress.Any));
        Assert.False(rig.Network.IsOwnAddress(IPAddress.Parse("192.0.2.1")));
        foreach (System.Net.NetworkInformation.NetworkInterface nic in System.Net.NetworkInformation.NetworkInterface.GetAllNetworkInterfaces())
        {
            foreach (System.Net.NetworkInformation.UnicastIPAddressInformation own in nic.GetIPProperties().UnicastAddresses)
            {
                Assert.True(rig.Network.IsOwnAddress(own.Address), own.Address.ToString());
            }
        }
    }

    [Fact]
    public void An_event_of_a_slots_former_user_is_ignored()
    {
        using var rig = new LinuxLinkRig();
        var first = new Target();
        var second = new Target();
        using var a = new EventFd(blocking: false);
        int slot = rig.Poller.Add(a.Fd, first);
        ulong stale = rig.Poller.DataOf(slot);
        rig.Poller.Dispatch(stale, Libc.EPOLLIN);
        Assert.Equal(1, first.Events);
        rig.Poller.Remove(slot);
        rig.Poller.Dispatch(stale, Libc.EPOLLIN);
        using var b = new EventFd(blocking: false);
        Assert.Equal(slot, rig.Poller.Add(b.Fd, second));
        rig.Poller.Dispatch(stale, Libc.EPOLLIN);
        Assert.Equal(1, first.Events);
        Assert.Equal(0, second.Events);
        Assert.Equal(2, rig.Poller.StaleEvents);
        rig.Poller.Dispatch(rig.Poller.DataOf(slot), Libc.EPOLLIN);
        Assert.Equal(1, second.Events);
    }

    [Fact]
    public void Out_of_descriptors_the_listener_pauses_and_goes_on_when_there_are_some()
    {
        using var rig = new LinuxLinkRig();
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        Link? link;
        List<int> taken = [];
        ResourceLimit before = ResourceLimit.Descriptors;
        try
        {
            client.Connect(rig.Listener.EndPoint);
            ResourceLimit.Descriptors = before with { Soft = 1 };
            ValueTask<Link?> accept = rig.Listener.AcceptAsync();
            rig.Until(() => rig.Listener.Pauses >= 2);
            Assert.False(accept.IsCompleted);
            ResourceLimit.Descriptors = before;
            link = rig.Run(accept);
        }
        finally
        {
            ResourceLimit.Descriptors = before;
        }
        Assert.NotNull(link);
        Assert.Equal((IPEndPoint)client.LocalEndPoint!, link.Remote);
    }

    [Fact]
    public void Many_clients_are_taken_in_turns()
    {
        using var rig = new LinuxLinkRig();
        const int Clients = 200;
        int most = 0;
        int inTurn = 0;
        long turn = -1;
        int accepted = 0;
        async ValueTask AcceptAll()
        {
            while (accepted < Clients)
            {
                Link? link = await rig.Listener.AcceptAsync();
                inTurn = turn == rig.Loop.Turns ? inTurn + 1 : 1;
                turn = rig.Loop.Turns;
                most = Math.Max(most, inTurn);
                accepted++;
                link!.Abort();
            }
        }
        List<Socket> clients = [];
        for (int i = 0; i < Clients; i++)
        {
            var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            client.Connect(rig.Listener.EndPoint);
            clients.Add(client);
        }
        rig.Run(AcceptAll);
        clients.ForEach(client => client.Dispose());
        Assert.Equal(64, most);
    }

    private sealed class Target : IEpollTarget
    {
        public int Events { get; private set; }

        public void OnEvents(uint events) => Events++;
    }
}
