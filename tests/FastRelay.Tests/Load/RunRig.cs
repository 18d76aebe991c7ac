using System.Net;
using System.Security.Authentication;
using FastRelay.Load;
using FastRelay.Outside;
using FastRelay.Outside.Linux;
using FastRelay.Tests.Outside;

namespace FastRelay.Tests.Load;

/// <summary>A source and a sink on one loop over real connections.</summary>
internal sealed class RunRig : IDisposable
{
    private readonly World _world = LinuxWorld.Create(new LinuxOptions());

    public RunRig(SinkScenario scenario, LoadTls tls = LoadTls.None)
    {
        // xunit's context would take continuations off the loop's thread.
        SynchronizationContext.SetSynchronizationContext(null);
        Sink = SinkServer.Start(_world with { Random = new Random(5) }, new SinkOptions
        {
            Listen = [new IPEndPoint(IPAddress.Loopback, 0)],
            Scenario = scenario,
            Check = true,
            Tls = tls == LoadTls.None ? null : new ServerTls(TestCertificate.Server(SslProtocols.Tls13)),
            ImplicitTls = tls == LoadTls.Implicit,
        }, out string error)!;
        Assert.Equal("", error);
        Target = Sink.EndPoints[0];
    }

    public SinkServer Sink { get; }

    /// <summary>The sink's, also when it has closed its listener.</summary>
    public IPEndPoint Target { get; }

    public bool Done { get; private set; }

    public LoadRun Begin(LoadOptions options)
    {
        var run = new LoadRun(_world, options, () => Done = true);
        run.Start();
        return run;
    }

    /// <summary>Runs to the end and reports; <paramref name="then"/> happens once <paramref name="when"/> holds.</summary>
    public LoadReport Report(LoadOptions options, Func<LoadRun, bool>? when = null, Action<LoadRun>? then = null)
    {
        Done = false;
        LoadRun run = Begin(options);
        var sampler = new Sampler(_world.Loop, 100, run.Counters.Recent, () => new LoadSums(run.Counters.Accepted, 0, 0, 0));
        if (when is not null)
        {
            Until(() => when(run));
            then!(run);
        }
        Until(() => Done);
        sampler.Finish();
        return LoadReport.Of(run, sampler, "9.9.9");
    }

    public LoadCounters Run(LoadOptions options)
    {
        LoadRun run = Begin(options);
        Until(() => Done);
        Until(() => Sink.Counters.Sessions == 0);
        return run.Counters;
    }

    public void Until(Func<bool> condition)
    {
        while (!condition())
        {
            _world.Loop.Turn(canSleep: true);
        }
    }

    public void Dispose()
    {
        Sink.Stop();
        LinuxWorld.Dispose(_world);
    }
}
