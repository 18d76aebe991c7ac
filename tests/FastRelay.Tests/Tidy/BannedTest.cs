using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace FastRelay.Tests.Tidy;

/// <summary>
/// What Core and FastRelay may not touch outside Outside/Linux: every other way to time, threads, randomness, files and
/// the network would go past the doors of <c>World</c>, and the simulator could neither see nor repeat it.
/// </summary>
public sealed class BannedTest
{
    private const string Loops = "an awaitable completes from its loop's run queue only: use LoopSignal, Signal or a field of the owner";
    private const string Timers = "time is Loop.NowMs and LoopTimer";
    private const string Clock = "the clock is World.Time";
    private const string Dice = "chance is World.Random, so that a seed repeats it";
    private const string Threads = "blocking work goes to World.Offload or a Disk lane";
    private const string Files = "files are World.Disk";
    private const string Wires = "connections are World.Network and Link";

    // A type, a namespace with a dot at its end, or a member.
    private static readonly Dictionary<string, string> s_banned = new()
    {
        ["System.Threading.Tasks.Task.ConfigureAwait"] = Loops,
        ["System.Threading.Tasks.ValueTask.ConfigureAwait"] = Loops,
        ["System.Threading.Tasks.Task.Run"] = Threads,
        ["System.Threading.Tasks.TaskFactory"] = Threads,
        ["System.Threading.Tasks.Parallel"] = Threads,
        ["System.Threading.Tasks.Task.Delay"] = Timers,
        ["System.Threading.Tasks.Task.Yield"] = Loops,
        ["System.Threading.Tasks.Task.WhenAny"] = Loops,
        ["System.Threading.Tasks.Task.WaitAsync"] = Timers,
        ["System.Runtime.CompilerServices.PoolingAsyncValueTaskMethodBuilder"] = "it allocates when many sessions wait in one method: use LoopMethodBuilder",
        ["System.Threading.Channels."] = "hand-offs are an intrusive list: LoopItem",
        ["System.Threading.SemaphoreSlim"] = Loops,
        ["System.Threading.Tasks.TaskCompletionSource"] = Loops,
        ["System.Threading.CancellationTokenSource.CancelAfter"] = Timers,
        ["System.TimeProvider.CreateTimer"] = Timers,
        ["System.Threading.Timer"] = Timers,
        ["System.Timers."] = Timers,
        ["System.Threading.PeriodicTimer"] = Timers,
        ["System.Threading.ThreadPool"] = Threads,
        ["System.Threading.Thread.Sleep"] = Timers,
        ["System.DateTime.Now"] = Clock,
        ["System.DateTime.UtcNow"] = Clock,
        ["System.DateTimeOffset.Now"] = Clock,
        ["System.DateTimeOffset.UtcNow"] = Clock,
        ["System.TimeProvider.System"] = Clock,
        ["System.Diagnostics.Stopwatch"] = Clock,
        ["System.Environment.TickCount"] = Clock,
        ["System.Environment.TickCount64"] = Clock,
        ["System.Random.Shared"] = Dice,
        ["System.Guid.NewGuid"] = Dice,
        ["System.IO.File"] = Files,
        ["System.IO.FileInfo"] = Files,
        ["System.IO.FileStream"] = Files,
        ["System.IO.Directory"] = Files,
        ["System.IO.DirectoryInfo"] = Files,
        ["System.IO.RandomAccess"] = Files,
        ["System.IO.MemoryMappedFiles."] = Files,
        ["System.Net.Sockets.Socket"] = Wires,
        ["System.Net.Sockets.NetworkStream"] = Wires,
        ["System.Net.Sockets.TcpClient"] = Wires,
        ["System.Net.Sockets.TcpListener"] = Wires,
        ["System.Net.Sockets.UdpClient"] = Wires,
        ["System.Net.Http."] = Wires,
        ["System.Net.Dns"] = "names are World.Resolver",
    };

    // Creating one is banned; asking which one runs is not.
    private static readonly Dictionary<string, string> s_bannedToCreate = new()
    {
        ["System.Threading.Thread"] = Threads,
        ["System.Random"] = Dice,
    };

    // The last word of each name above: what a file must spell to come under suspicion.
    private static readonly HashSet<string> s_spelled = [.. s_banned.Keys.Concat(s_bannedToCreate.Keys).Select(name => name.TrimEnd('.').Split('.')[^1])];

    // Files that may, with the reason.
    private static readonly Dictionary<string, string> s_allowed = [];

    [Fact]
    public void Nothing_goes_past_the_doors_of_the_world()
        => House.None(Offences(House.Product), "Banned in Core and FastRelay outside Outside/Linux:");

    [Theory]
    [InlineData("class A { async Task M() => await Task.Delay(1); }")]
    [InlineData("class A { void M() { _ = Task.Run(() => { }); } }")]
    [InlineData("using static System.DateTime; class A { object M() => UtcNow; }")]
    [InlineData("using T = System.Threading.Timer; class A { T? t; }")]
    [InlineData("class A { Thread M() => new(() => { }); }")]
    [InlineData("class A { object M() => new Thread(() => { }); }")]
    [InlineData("class A { object M() => new System.Threading.Thread(() => { }); }")]
    [InlineData("class A { async Task M(ValueTask<int> v) => await v.ConfigureAwait(false); }")]
    [InlineData("class A { string M() => System.IO.File.ReadAllText(\"x\"); }")]
    [InlineData("using System.Threading.Channels; class A { Channel<int>? c; }")]
    [InlineData("class A { object M() => new TaskCompletionSource<int>(); }")]
    public void A_banned_name_is_found_however_it_is_written(string code)
        => Assert.NotEmpty(Offences(new House([("src/FastRelay/Queue/A.cs", code)])));

    [Theory]
    [InlineData("src/FastRelay/Queue/A.cs", "class A { string File = \"\"; string Timer() => File; /* Task.Delay */ }")]
    [InlineData("src/FastRelay.Core/Outside/Linux/A.cs", "class A { object M() => new Thread(() => { }); }")]
    [InlineData("src/FastRelay.Host/A.cs", "class A { string M() => System.IO.File.ReadAllText(\"x\"); }")]
    public void A_name_that_only_looks_like_one_passes(string path, string code)
        => Assert.Empty(Offences(new House([(path, code)])));

    private static IEnumerable<string> Offences(House house)
    {
        foreach (SyntaxTree tree in house.Trees.Where(tree => Binds(tree.FilePath)))
        {
            foreach ((SimpleNameSyntax name, ISymbol symbol) in house.Names(tree, s_spelled))
            {
                if (Reason(name, symbol) is { } reason)
                {
                    yield return $"{House.Place(name)}: {name}: {reason}";
                }
            }

            foreach ((SyntaxNode node, ITypeSymbol type) in house.UnnamedCreations(tree))
            {
                if ((s_bannedToCreate.GetValueOrDefault(FullName(type)) ?? s_banned.GetValueOrDefault(FullName(type))) is { } reason)
                {
                    yield return $"{House.Place(node)}: new {type.Name}: {reason}";
                }
            }
        }
    }

    private static bool Binds(string path)
        => (path.StartsWith("src/FastRelay.Core/", StringComparison.Ordinal) || path.StartsWith("src/FastRelay/", StringComparison.Ordinal))
            && !path.StartsWith("src/FastRelay.Core/Outside/Linux/", StringComparison.Ordinal)
            && !s_allowed.ContainsKey(path);

    private static string? Reason(SimpleNameSyntax name, ISymbol symbol)
    {
        ISymbol definition = symbol.OriginalDefinition;
        if (definition is INamespaceSymbol space)
        {
            return s_banned.GetValueOrDefault($"{space.ToDisplayString()}.");
        }

        INamedTypeSymbol? type = definition as INamedTypeSymbol ?? definition.ContainingType;
        if (type is null)
        {
            return null;
        }

        return (Creates(name) ? s_bannedToCreate.GetValueOrDefault(FullName(type)) : null)
            ?? s_banned.GetValueOrDefault(FullName(type))
            ?? s_banned.GetValueOrDefault($"{type.ContainingNamespace.ToDisplayString()}.")
            ?? s_banned.GetValueOrDefault($"{FullName(type)}.{definition.Name}");
    }

    private static bool Creates(SyntaxNode name)
        => name.Parent is QualifiedNameSyntax qualified && qualified.Right == name ? Creates(qualified) : name.Parent is ObjectCreationExpressionSyntax creation && creation.Type == name;

    private static string FullName(ITypeSymbol type) => $"{type.ContainingNamespace?.ToDisplayString()}.{type.Name}";
}
