using System.Text;
using FastRelay.Journal;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>
/// Where <c>queue move</c> sends mail: a host, as a route's <c>to</c> names it, or the row of the route table with a pattern.
/// Kept as text, in the journal too, so that it means what the configuration of the day makes of it.
/// </summary>
public sealed class MoveTarget
{
    /// <summary>What takes a move back.</summary>
    public const string Back = "config";

    private const string RoutePrefix = "route:";
    private readonly NextHop? _hop;

    private MoveTarget(string text, NextHop? hop)
    {
        Text = text;
        Utf8Text = Encoding.UTF8.GetBytes(text);
        _hop = hop;
    }

    /// <summary><c>smtp:host:port</c> as <see cref="NextHop"/> writes it, or <c>route:</c> and a pattern in lower case.</summary>
    public string Text { get; }

    internal byte[] Utf8Text { get; }

    /// <summary>Reads what the operator wrote, or what the journal kept.</summary>
    /// <param name="text"><c>smtp:host</c>, <c>smtp:[host]:port</c> or <c>route:PATTERN</c>.</param>
    /// <param name="target">The target.</param>
    /// <param name="error">What is wrong, and what would be right; empty when nothing is.</param>
    public static bool TryParse(string text, out MoveTarget? target, out string error)
    {
        target = null;
        error = "";
        if (text.StartsWith(RoutePrefix, StringComparison.Ordinal) && text.Length > RoutePrefix.Length)
        {
            target = new MoveTarget(RoutePrefix + text[RoutePrefix.Length..].ToLowerInvariant(), null);
        }
        else if (text.StartsWith("smtp:", StringComparison.Ordinal))
        {
            if (NextHop.TryParse(text, out NextHop hop, out error))
            {
                target = new MoveTarget(hop.ToString(), hop);
            }
        }
        else
        {
            error = $"\"{text}\" is nowhere to move mail to: write \"smtp:host:port\", \"smtp:[host]:port\", \"route:PATTERN\" for a row of [[route]], or \"{Back}\"";
        }
        if (target is { Utf8Text.Length: > RecordedMove.TargetBytesMax })
        {
            target = null;
            error = $"where mail is moved to is at most {RecordedMove.TargetBytesMax} octets";
        }
        return target is not null;
    }

    /// <summary>The way there by the route table in force; null when no row to a host has the pattern.</summary>
    public Route? RouteBy(Router router)
    {
        if (_hop is { } hop)
        {
            Route made = router.HopRoute(hop);
            // A row that says the same way is that way: what it says of 8 bits and messages in flight holds for all who share its connections.
            return router.Table.OfKey(made.Key) ?? made;
        }
        int row = router.Table.RowOf(Text[RoutePrefix.Length..]);
        return row >= 0 && router.Table.FixedRoute(row) is { NextHop.Kind: NextHopKind.Smtp } route ? route : null;
    }
}
