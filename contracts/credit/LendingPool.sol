// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Ownable} from "solady/auth/Ownable.sol";
import {ERC20} from "solady/tokens/ERC20.sol";
import {ERC4626} from "solady/tokens/ERC4626.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {ICollateralVault} from "interfaces/ICollateralVault.sol";
import {KinkedRate} from "./KinkedRate.sol";

/// @title The lenders' side of the vault: deposits, interest, reserves
/// @notice See ICollateralVault for the whole documentation. `CollateralVault` adds the loans.
abstract contract LendingPool is ICollateralVault, ERC4626, Ownable {
    using FixedPointMathLib for uint256;
    using SafeCastLib for uint256;
    using SafeTransferLib for address;

    uint256 internal constant BPS = 1e4;
    uint256 internal constant WAD = 1e18;
    /// @dev Debt and reserves count in millionths of a base unit.
    uint256 internal constant UNIT = 1e6;
    /// @dev What debt parts × index is divided by for base units.
    uint256 internal constant PARTS = WAD * UNIT;
    /// @dev 10^6 virtual shares against 1 virtual asset: who inflates the first share loses more.
    uint8 internal constant OFFSET = 6;
    uint256 internal constant MAX_INDEX = type(uint104).max;
    uint256 internal constant MAX_RESERVES = type(uint112).max;
    uint256 internal constant MAX_ASSETS = type(uint104).max;
    uint256 internal constant MAX_RATE_WAD = 3e18;
    uint256 internal constant MAX_RESERVE_FACTOR_BPS = 5000;

    /// @dev What every accrual writes: one word. Index and reserves stop at their width, so that
    /// nothing can ever get stuck; at 300 % a year the index takes 10 years to get there.
    struct Interest {
        uint104 index;
        uint40 accruedAt;
        uint112 reserves;
    }

    /// @dev Where the lenders' money is: one word.
    struct Books {
        uint128 idle;
        uint128 debtParts;
    }

    uint256 public immutable RESERVE_FACTOR_BPS;
    address internal immutable ASSET;
    uint8 internal immutable ASSET_DECIMALS;
    uint256 internal immutable BASE_RATE_WAD;
    uint256 internal immutable SLOPE_RATE_WAD;
    uint256 internal immutable STEEP_RATE_WAD;
    uint256 internal immutable KINK_WAD;

    Interest internal _interest;
    Books internal _books;
    string internal _name;
    string internal _symbol;

    constructor(VaultConfig memory config) {
        require(config.owner != address(0), BadAddress("owner", config.owner));
        (bool known, uint8 assetDecimals) = _tryGetAssetDecimals(config.asset);
        require(known && config.asset.code.length != 0, BadAddress("asset", config.asset));
        _checkRange("decimals", assetDecimals, 0, 18);
        uint256 topRate = config.baseRateWad + config.slopeRateWad + config.steepRateWad;
        _checkRange("rate", topRate, 0, MAX_RATE_WAD);
        _checkRange("kinkWad", config.kinkWad, WAD / 100, WAD - WAD / 100);
        _checkRange("reserveFactorBps", config.reserveFactorBps, 0, MAX_RESERVE_FACTOR_BPS);

        ASSET = config.asset;
        ASSET_DECIMALS = assetDecimals;
        BASE_RATE_WAD = config.baseRateWad;
        SLOPE_RATE_WAD = config.slopeRateWad;
        STEEP_RATE_WAD = config.steepRateWad;
        KINK_WAD = config.kinkWad;
        RESERVE_FACTOR_BPS = config.reserveFactorBps;
        _name = config.name;
        _symbol = config.symbol;
        _interest.index = uint104(WAD);
        _interest.accruedAt = uint40(block.timestamp);
        _initializeOwner(config.owner);
    }

    // ------------------------------------------------------------------ lenders

    /// @inheritdoc ERC4626
    function deposit(uint256 assets, address to) public override returns (uint256 shares) {
        _accrue();
        return super.deposit(assets, to);
    }

    /// @inheritdoc ERC4626
    function mint(uint256 shares, address to) public override returns (uint256 assets) {
        _accrue();
        return super.mint(shares, to);
    }

    /// @inheritdoc ERC4626
    function withdraw(
        uint256 assets,
        address to,
        address owner
    ) public override returns (uint256 shares) {
        _accrue();
        return super.withdraw(assets, to, owner);
    }

    /// @inheritdoc ERC4626
    function redeem(
        uint256 shares,
        address to,
        address owner
    ) public override returns (uint256 assets) {
        _accrue();
        return super.redeem(shares, to, owner);
    }

    /// @dev The base takes the money before it mints, so the books follow after both. Assets that
    /// come by plain transfer are in no book, and nobody's.
    function _deposit(address by, address to, uint256 assets, uint256 shares) internal override {
        require(shares != 0, ZeroShares(assets));
        _requireReceiver(to);
        super._deposit(by, to, assets, shares);
        _books.idle += assets.toUint128();
    }

    /// @dev `maxWithdraw` and `maxRedeem` have checked that so much is idle.
    function _withdraw(
        address by,
        address to,
        address owner,
        uint256 assets,
        uint256 shares
    ) internal override {
        _requireReceiver(to);
        _books.idle -= assets.toUint128();
        super._withdraw(by, to, owner, assets, shares);
    }

    /// @inheritdoc ICollateralVault
    function collectReserves(address receiver) external onlyOwner returns (uint256 assets) {
        _requireReceiver(receiver);
        _accrue();
        assets = FixedPointMathLib.min(_interest.reserves / UNIT, _books.idle);
        if (assets == 0) return 0;

        _interest.reserves -= (assets * UNIT).toUint112();
        _books.idle -= assets.toUint128();
        emit ReservesCollected(receiver, assets);
        ASSET.safeTransfer(receiver, assets);
    }

    // ------------------------------------------------------------------ interest

    /// @inheritdoc ICollateralVault
    function accrue() external {
        _accrue();
    }

    /// @dev Everything that moves money or debt starts here, so that interest never goes by a
    /// utilization that somebody made up in the same block.
    function _accrue() internal {
        uint256 accruedAt = _interest.accruedAt;
        if (accruedAt == block.timestamp) return;
        (uint256 index, uint256 reserves_) = _interestNow();
        _interest.index = uint104(index); // both capped
        _interest.reserves = uint112(reserves_);
        _interest.accruedAt = uint40(block.timestamp);
        emit Accrued(index);
    }

    /// @return index The borrow index now, at most what its field holds.
    /// @return reserves_ What the vault itself is owed now, in millionths; likewise.
    function _interestNow() internal view returns (uint256 index, uint256 reserves_) {
        index = _interest.index;
        reserves_ = _interest.reserves;
        uint256 elapsed = block.timestamp - _interest.accruedAt;
        uint256 parts = _books.debtParts;
        if (elapsed == 0 || parts == 0) return (index, reserves_);

        uint256 growth = KinkedRate.growthUp(_rateUp(parts.mulDiv(index, WAD)), elapsed);
        uint256 grown = FixedPointMathLib.min(index.mulDivUp(growth, WAD), MAX_INDEX - index);
        uint256 earned = parts.mulDiv(grown, WAD).mulDiv(RESERVE_FACTOR_BPS, BPS);
        return (index + grown, FixedPointMathLib.min(reserves_ + earned, MAX_RESERVES));
    }

    /// @param lent All debt, in millionths of a base unit.
    function _rateUp(uint256 lent) internal view returns (uint256) {
        KinkedRate.Curve memory curve = KinkedRate.Curve({
            baseWad: BASE_RATE_WAD,
            slopeWad: SLOPE_RATE_WAD,
            steepWad: STEEP_RATE_WAD,
            kinkWad: KINK_WAD
        });
        return KinkedRate.rateUp(curve, lent, lent + _books.idle * UNIT);
    }

    /// @dev With interest as last written.
    function _debtUp(uint256 parts) internal view returns (uint256) {
        return parts.mulDivUp(_interest.index, PARTS);
    }

    // ------------------------------------------------------------------ checks

    function _requireReceiver(address receiver) internal view {
        require(
            receiver != address(0) && receiver != address(this),
            BadAddress("receiver", receiver)
        );
    }

    function _checkRange(bytes32 field, uint256 value, uint256 min, uint256 max) internal pure {
        require(value >= min && value <= max, OutOfRange(field, value, min, max));
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc ERC4626
    function asset() public view override returns (address) {
        return ASSET;
    }

    /// @inheritdoc ERC4626
    function totalAssets() public view override returns (uint256) {
        (uint256 index, uint256 reserves_) = _interestNow();
        uint256 lentDown = uint256(_books.debtParts).mulDiv(index, WAD);
        return (_books.idle * UNIT + lentDown - reserves_) / UNIT;
    }

    /// @inheritdoc ERC4626
    function maxDeposit(address) public view override returns (uint256) {
        return MAX_ASSETS.zeroFloorSub(totalAssets());
    }

    /// @inheritdoc ERC4626
    function maxMint(address to) public view override returns (uint256) {
        return convertToShares(maxDeposit(to));
    }

    /// @inheritdoc ERC4626
    function maxWithdraw(address owner) public view override returns (uint256) {
        return FixedPointMathLib.min(convertToAssets(balanceOf(owner)), _books.idle);
    }

    /// @inheritdoc ERC4626
    function maxRedeem(address owner) public view override returns (uint256) {
        uint256 shares = balanceOf(owner);
        uint256 idle_ = _books.idle;
        return convertToAssets(shares) <= idle_ ? shares : convertToShares(idle_);
    }

    /// @inheritdoc ICollateralVault
    function totalBorrows() external view returns (uint256) {
        return uint256(_books.debtParts).mulDiv(borrowIndex(), PARTS);
    }

    /// @inheritdoc ICollateralVault
    function totalDebtParts() external view returns (uint256) {
        return _books.debtParts;
    }

    /// @inheritdoc ICollateralVault
    function idle() external view returns (uint256) {
        return _books.idle;
    }

    /// @inheritdoc ICollateralVault
    function reserves() external view returns (uint256 assets) {
        (, assets) = _interestNow();
        return assets / UNIT;
    }

    /// @inheritdoc ICollateralVault
    function borrowIndex() public view returns (uint256 index) {
        (index, ) = _interestNow();
    }

    /// @inheritdoc ICollateralVault
    function borrowRate() external view returns (uint256) {
        return _rateUp(uint256(_books.debtParts).mulDiv(borrowIndex(), WAD));
    }

    /// @inheritdoc ERC20
    function name() public view override returns (string memory) {
        return _name;
    }

    /// @inheritdoc ERC20
    function symbol() public view override returns (string memory) {
        return _symbol;
    }

    function _underlyingDecimals() internal view override returns (uint8) {
        return ASSET_DECIMALS;
    }

    function _decimalsOffset() internal pure override returns (uint8) {
        return OFFSET;
    }

    /// @dev No standing approvals for anybody.
    function _givePermit2InfiniteAllowance() internal pure override returns (bool) {
        return false;
    }
}
