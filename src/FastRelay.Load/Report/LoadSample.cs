namespace FastRelay.Load;

/// <summary>What happened in one interval of a run.</summary>
/// <param name="Seconds">End of the interval, from the start of the run.</param>
/// <param name="Messages">Messages accepted in the interval.</param>
/// <param name="Refused">Messages refused in it.</param>
/// <param name="Lost">Messages lost in it.</param>
/// <param name="Sessions">Sessions open at its end.</param>
/// <param name="P50">Latency of its messages, µs.</param>
/// <param name="P99">As before.</param>
/// <param name="Max">As before.</param>
/// <param name="CpuShare">CPU time of this process over the interval; 1 is a whole core.</param>
/// <param name="LagMs">Longest time that a loop's timer was late in it, ms, beyond the 16 ms of its tick.</param>
public sealed record LoadSample(
    double Seconds, long Messages, long Refused, long Lost, long Sessions, long P50, long P99, long Max, double CpuShare, double LagMs);
