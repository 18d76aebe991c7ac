using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using DnsClient;

namespace FastRelay.Outside.Linux;

/// <summary>
/// Carries one query to one server and its reply back. Over UDP by a socket of its own that is connected, so that the system
/// chooses its port by chance for each try and lets nothing in from another address (RFC 5452 sections 9.1 and 9.2); what comes from the
/// right one and is no reply is passed over, and waiting goes on. Over TCP what UDP had no room for (RFC 7766). For any thread.
/// </summary>
internal sealed class DnsTransport
{
    /// <summary>What one datagram may be, bytes: servers that know no EDNS and those that heed nothing send less too.</summary>
    private const int DatagramBytes = 4_096;

    private long _ignored;

    /// <summary>Datagrams that came from a server's address and port and were no reply to what was asked.</summary>
    public long Ignored => Interlocked.Read(ref _ignored);

    /// <summary>Asks once.</summary>
    /// <param name="server">Whom.</param>
    /// <param name="query">What; it gets a number of its own.</param>
    /// <param name="timeout">When waiting ends, over TCP too.</param>
    /// <exception cref="OperationCanceledException">Nothing came in time.</exception>
    /// <exception cref="SocketException">It cannot be reached.</exception>
    /// <exception cref="DnsTruncatedException">It answered, and there is no more by TCP.</exception>
    /// <exception cref="Exception">The reply makes no sense: <see cref="DnsReply.Read"/>.</exception>
    public async Task<DnsReply> AskAsync(IPEndPoint server, DnsQuery query, CancellationToken timeout)
    {
        DnsReply reply = DnsReply.Read(await UdpAsync(server, query, timeout).ConfigureAwait(false));
        if (reply.Code is DnsHeaderResponseCode.FormatError or DnsHeaderResponseCode.NotImplemented)
        {
            // A server from before EDNS (RFC 6891 section 7): it is asked in its own words.
            query = query.WithoutEdns();
            reply = DnsReply.Read(await UdpAsync(server, query, timeout).ConfigureAwait(false));
        }
        if (!reply.Truncated)
        {
            return reply;
        }
        try
        {
            reply = DnsReply.Read(await TcpAsync(server, query, timeout).ConfigureAwait(false));
            return reply.Truncated ? throw new InvalidDataException("a reply by TCP that is cut") : reply;
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or IOException)
        {
            throw new DnsTruncatedException(e);
        }
    }

    private async Task<byte[]> UdpAsync(IPEndPoint server, DnsQuery query, CancellationToken timeout)
    {
        query.Renew();
        using var socket = new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        await socket.ConnectAsync(server, timeout).ConfigureAwait(false);
        await socket.SendAsync(query.Octets, timeout).ConfigureAwait(false);
        byte[] buffer = new byte[DatagramBytes];
        while (true)
        {
            int length = await socket.ReceiveAsync(buffer, timeout).ConfigureAwait(false);
            if (query.IsAnsweredBy(buffer.AsSpan(0, length)))
            {
                return buffer[..length];
            }
            Interlocked.Increment(ref _ignored);
        }
    }

    private static async Task<byte[]> TcpAsync(IPEndPoint server, DnsQuery query, CancellationToken timeout)
    {
        query.Renew();
        using var socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(server, timeout).ConfigureAwait(false);
        byte[] octets = new byte[2 + query.Octets.Length];
        BinaryPrimitives.WriteUInt16BigEndian(octets, (ushort)query.Octets.Length);
        query.Octets.CopyTo(octets.AsMemory(2));
        using var stream = new NetworkStream(socket);
        await stream.WriteAsync(octets, timeout).ConfigureAwait(false);
        await stream.ReadExactlyAsync(octets.AsMemory(0, 2), timeout).ConfigureAwait(false);
        byte[] reply = new byte[BinaryPrimitives.ReadUInt16BigEndian(octets)];
        await stream.ReadExactlyAsync(reply, timeout).ConfigureAwait(false);
        return query.IsAnsweredBy(reply) ? reply : throw new InvalidDataException("a reply to another question");
    }
}

/// <summary>A server answered that there is more by TCP, and gave nothing there.</summary>
/// <param name="inner">Why.</param>
internal sealed class DnsTruncatedException(Exception inner) : Exception("no answer by TCP", inner);
