using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;

namespace FastRelay.Host.Admin;

/// <summary>What an operator has had done, for the log.</summary>
/// <param name="Act">retry, remove, hold, release, bounce, move, suspend, resume or reload.</param>
/// <param name="By"><c>uid:N</c> of whoever wrote to the socket, or <c>token</c>.</param>
/// <param name="Peer">His address and port; null at the socket.</param>
/// <param name="Target">What it was about, in words; empty for a reload.</param>
/// <param name="Count">Messages that it reached; null for what is not about messages.</param>
public sealed record OperatorAct(string Act, string By, string? Peer, string Target, long? Count)
{
    /// <summary>Why it is not known what it came to; null when it is.</summary>
    public string? Error { get; init; }

    // SOL_SOCKET and SO_PEERCRED of socket(7) and unix(7): pid, uid, gid.
    private const int SocketLevel = 1;
    private const int PeerCredentials = 17;

    private const int IdsShown = 20;

    /// <summary>Who asks.</summary>
    public static OperatorAct Of(HttpContext context, string act, string target, long? count)
    {
        Socket? socket = context.Features.Get<IConnectionSocketFeature>()?.Socket;
        return socket is { AddressFamily: AddressFamily.Unix }
            ? new OperatorAct(act, UserOf(socket), null, target, count)
            : new OperatorAct(act, "token", PeerOf(context), target, count);
    }

    /// <summary>Address and port of whoever asks.</summary>
    public static string PeerOf(HttpContext context) =>
        context.Connection.RemoteIpAddress is { } address ? new System.Net.IPEndPoint(address, context.Connection.RemotePort).ToString() : "";

    /// <summary>A selection in words: its ids, at most 20 of them, its filter, or <c>all</c>; and what goes with the act.</summary>
    public static string Words(QueueSelection selection)
    {
        var text = new StringBuilder();
        if (selection.Ids is { } ids)
        {
            text.AppendJoin(' ', ids.Take(IdsShown)).Append(ids.Count > IdsShown ? string.Create(CultureInfo.InvariantCulture, $" and {ids.Count - IdsShown} more") : "");
        }
        else if (selection.Filter is { } filter)
        {
            foreach ((string key, string? value) in (ReadOnlySpan<(string, string?)>)
                [("sender", filter.Sender), ("domain", filter.Domain), ("site", filter.Site), ("tenant", filter.Tenant), ("state", filter.State),
                    ("older", filter.OlderSeconds?.ToString(CultureInfo.InvariantCulture))])
            {
                text.Append(value is null ? "" : $"{(text.Length > 0 ? " " : "")}{key}={value}");
            }
        }
        else
        {
            text.Append("all");
        }
        return text.Append(selection.To is null ? "" : $" to={selection.To}").Append(selection.Text is null ? "" : $" text={selection.Text}").ToString();
    }

    private static string UserOf(Socket socket)
    {
        Span<int> credentials = stackalloc int[3];
        return socket.GetRawSocketOption(SocketLevel, PeerCredentials, System.Runtime.InteropServices.MemoryMarshal.AsBytes(credentials)) >= 2 * sizeof(int)
            ? string.Create(CultureInfo.InvariantCulture, $"uid:{credentials[1]}")
            : "socket";
    }
}
