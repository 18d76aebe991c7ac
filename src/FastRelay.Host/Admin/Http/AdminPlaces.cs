using System.Net;
using FastRelay.Config;
using Microsoft.AspNetCore.Connections;

namespace FastRelay.Host.Admin;

/// <summary>
/// The connections of one door of the admin. When all places are taken, the connection that has been silent the longest makes room
/// for a new one: however many are held open, a probe that asks at once is answered. Any thread.
/// </summary>
/// <param name="crowded">Told of whoever a place was wanted for, address and port.</param>
public sealed class AdminPlaces(Action<string> crowded)
{
    /// <summary>Places. What is left of <see cref="RelayConfig.AdminConnectionsMax"/> is for those that are being closed.</summary>
    public const int Max = RelayConfig.AdminConnectionsMax - 32;

    private readonly Lock _lock = new();
    private readonly LinkedList<Place> _silent = [];
    private int _taken;

    /// <summary>Serves a connection, or closes it when all others are at work.</summary>
    /// <param name="connection">New.</param>
    /// <param name="serve">Serves it to its end.</param>
    public async Task ServeAsync(ConnectionContext connection, Func<Task> serve)
    {
        var place = new Place(this, connection);
        if (!TryTake(place, out Place? silent))
        {
            connection.Abort();
            Tell(connection);
            return;
        }
        if (silent is not null)
        {
            silent.Connection.Abort();
            Tell(connection);
        }
        connection.Features.Set(place);
        try
        {
            await serve();
        }
        finally
        {
            Leave(place);
        }
    }

    private void Tell(ConnectionContext connection) => crowded((connection.RemoteEndPoint as IPEndPoint)?.ToString() ?? "");

    private bool TryTake(Place place, out Place? silent)
    {
        lock (_lock)
        {
            silent = null;
            if (_taken == Max)
            {
                if (_silent.First is not { } first)
                {
                    return false;
                }
                silent = first.Value;
                Leave(silent);
            }
            _taken++;
            place.IsThere = true;
            _silent.AddLast(place.Node);
            return true;
        }
    }

    private void Leave(Place place)
    {
        lock (_lock)
        {
            if (place.IsThere)
            {
                place.IsThere = false;
                _taken--;
                place.Node.List?.Remove(place.Node);
            }
        }
    }

    /// <summary>A connection's place; a feature of the connection.</summary>
    /// <param name="places">Its door's.</param>
    /// <param name="connection">The connection.</param>
    internal sealed class Place(AdminPlaces places, ConnectionContext connection)
    {
        private LinkedListNode<Place>? _node;

        public ConnectionContext Connection => connection;

        public LinkedListNode<Place> Node => _node ??= new(this);

        public bool IsThere { get; set; }

        /// <summary>A request has come, or its answer has gone.</summary>
        public void Works(bool works)
        {
            lock (places._lock)
            {
                if (!IsThere)
                {
                    return;
                }
                Node.List?.Remove(Node);
                if (!works)
                {
                    places._silent.AddLast(Node);
                }
            }
        }
    }
}
