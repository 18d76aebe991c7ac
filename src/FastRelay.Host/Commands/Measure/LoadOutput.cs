using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text.Json;
using FastRelay.Load;
using FastRelay.Outside;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace FastRelay.Host.Commands;

/// <summary>
/// What <c>load</c> and <c>sink</c> show while they run and leave at their end: a live screen on a terminal, lines of
/// JSON when asked, signals, and the report.
/// </summary>
internal sealed class LoadOutput
{
    private const int IntervalLeastMs = 100;
    private const int IntervalMostMs = 3_600_000;


    private static readonly Option<string?> s_json = new("--json") { Description = "Write the report to this file instead of standard output", HelpName = "FILE" };
    private static readonly Option<bool> s_quiet = new("--quiet", "-q") { Description = "No live screen" };
    private static readonly Option<bool> s_samples = new("--samples") { Description = "Write each interval to standard output as one line of JSON" };
    private static readonly Option<int> s_interval = new("--interval") { Description = $"Length of an interval, ms: {IntervalLeastMs} to {IntervalMostMs}", HelpName = "MS", DefaultValueFactory = _ => 1000 };

    private readonly ParseResult _result;
    private int _signals;

    /// <summary>Reads the options.</summary>
    /// <exception cref="LoadUsageException">One makes no sense.</exception>
    public LoadOutput(ParseResult result)
    {
        _result = result;
        IntervalMs = (int)LoadText.Within("--interval", result.GetValue(s_interval), IntervalLeastMs, IntervalMostMs);
        ReportFile.CheckPath("--json", result.GetValue(s_json));
    }

    /// <summary>Length of a sampling interval, ms.</summary>
    public int IntervalMs { get; }

    /// <summary>Gives a command the options.</summary>
    public static void AddTo(Command command)
    {
        command.Options.Add(s_json);
        command.Options.Add(s_quiet);
        command.Options.Add(s_samples);
        command.Options.Add(s_interval);
    }

    /// <summary>Runs the loop until it stops, on this thread, which may use it afterwards too; the screen is drawn by another beside it.</summary>
    /// <param name="world">Whose loop.</param>
    /// <param name="sampler">Feeds the lines of JSON.</param>
    /// <param name="draw">Draws the screen from figures that may be a moment old.</param>
    /// <param name="onSignal">Called on the loop with 1 for the first SIGINT or SIGTERM, 2 for the second.</param>
    public void Run(World world, Sampler sampler, Func<IRenderable> draw, Action<int> onSignal)
    {
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle);
        if (_result.GetValue(s_samples))
        {
            TextWriter output = _result.InvocationConfiguration.Output;
            sampler.OnSample = sample =>
            {
                output.WriteLine(JsonSerializer.Serialize(sample, LoadJson.Lines.LoadSample));
                output.Flush();
            };
        }
        if (_result.GetValue(s_quiet) || Console.IsErrorRedirected)
        {
            world.Loop.Run();
            return;
        }
        using var ended = new ManualResetEventSlim();
        var screen = new Thread(() => Show(draw, ended)) { Name = "screen" };
        screen.Start();
        try
        {
            world.Loop.Run();
        }
        finally
        {
            ended.Set();
            screen.Join();
        }

        void Handle(PosixSignalContext context)
        {
            context.Cancel = true;
            world.Loop.Post(new Signalled(onSignal, Interlocked.Increment(ref _signals)));
        }
    }

    private static void Show(Func<IRenderable> draw, ManualResetEventSlim ended)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        try
        {
            console.Live(draw()).Start(context =>
            {
                while (!ended.Wait(250))
                {
                    context.UpdateTarget(draw());
                }
                context.UpdateTarget(draw());
            });
        }
        catch (IOException)
        {
            // The terminal is gone: the run and its report do not need it.
        }
    }

    /// <summary>Leaves the report.</summary>
    /// <returns>False when it cannot be written.</returns>
    public bool Write(string json) =>
        ReportFile.Write(_result.GetValue(s_json), json, _result.InvocationConfiguration.Output, _result.InvocationConfiguration.Error);

    private sealed class Signalled(Action<int> onSignal, int count) : LoopItem
    {
        protected override void Run() => onSignal(count);
    }
}
